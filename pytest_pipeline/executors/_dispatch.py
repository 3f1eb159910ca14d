"""The parent's loop over one run of worker processes: send items, receive outputs."""

from __future__ import annotations

import time
from multiprocessing.connection import wait as wait_for
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Protocol

from pytest_pipeline.errors import ShippingError
from pytest_pipeline.executors._answers import Answers
from pytest_pipeline.executors._frames import Frame, Kind
from pytest_pipeline.executors._hops import END_OF_SOURCE, STOP
from pytest_pipeline.executors._lanes import Parcel
from pytest_pipeline.executors._places import named
from pytest_pipeline.executors._run import SIGNAL_S, TimedOutError
from pytest_pipeline.executors._summary import summary
from pytest_pipeline.executors._waiting import Waiter

if TYPE_CHECKING:
    import socket
    from collections.abc import Hashable, Sequence

    from pytest_pipeline.executors._hops import Message
    from pytest_pipeline.executors._lanes import Lane
    from pytest_pipeline.executors._pool import Pool
    from pytest_pipeline.executors._poolworker import PoolWorker
    from pytest_pipeline.executors._run import Run
    from pytest_pipeline.executors._shipping import Codec
    from pytest_pipeline.executors._sink import Sink

_DRAIN_S = 0.5
"""After a failure, how long other workers may take to finish the item in hand."""


class Feed(Protocol):
    """Where the items come from."""

    def take(self) -> Message | None:
        """Return the next item, the end of the source, or `STOP`; None when there is none yet."""
        ...

    def take_many(self, limit: int) -> tuple[int, list[Any], int]:
        """Return the index of the next item, up to `limit` items, and their stamp; maybe none."""
        ...


class Dispatcher:
    """One run. With several lanes, what one lane puts out is what the next one takes in."""

    def __init__(
        self,
        pool: Pool,
        run: Run,
        sink: Sink,
        *,
        codec: Codec,
        feed: Feed,
        wake: socket.socket,
        names: tuple[str, ...],
        lanes: Sequence[Lane],
        chunk: int = 1,
        is_view: bool = False,
    ) -> None:
        self._pool = pool
        self._codec = codec
        self._run = run
        self._sink = sink
        self._feed = feed
        self._wake = wake
        self._names = names
        self._lanes = lanes
        self._chunk = chunk
        self._answers = Answers(codec, run, sink, names, is_view=is_view)
        self._by_slot = {worker.slot: lane for lane in lanes for worker in lane.workers}
        self._posted: set[PoolWorker] = set()
        watched: dict[Any, Hashable] = {wake: None}
        for worker in pool.workers:
            watched[worker.channel] = worker
            watched[worker.process.sentinel] = worker.slot
        self._waiter = Waiter(watched)

    def serve(self, deadline: float) -> None:
        """Run until every output is emitted. Raises the run's error when the run failed."""
        while True:
            if (
                self._run.error is not None
            ):  # of the source's thread: what is queued is not sent any more
                raise self._run.error
            self._dispatch()
            if self._sink.is_complete:
                self._run.end()
                return
            ready = self._waiter.wait(min(SIGNAL_S, deadline - time.monotonic()))
            if time.monotonic() >= deadline:
                raise TimedOutError
            self._handle(ready)

    def cancel(self, number: int) -> None:
        """After a failure: let the workers finish the item in hand, kill those that do not."""
        for lane in self._lanes:
            lane.drop_waiting()  # while the workers whose slots that frees are all there
        self._pool.board.cancel(number)
        deadline = time.monotonic() + _DRAIN_S
        while busy := [worker for worker in self._pool.workers if worker.window]:
            ready = [worker for worker in busy if worker.channel.has_message]
            if not ready:
                socks = {worker.channel.sock: worker for worker in busy}
                found = wait_for(list(socks), max(0.0, deadline - time.monotonic()))
                ready = [worker for sock, worker in socks.items() if sock in found]
            if not ready:
                break
            for worker in ready:
                try:
                    frame = worker.channel.receive()
                    worker.answered(frame)
                    frame.release()
                except (EOFError, OSError):
                    self._pool.discard(worker)
        self.kill_busy()

    def kill_busy(self) -> None:
        """Kill the workers that have not answered, and forget what waited for them."""
        for lane in self._lanes:
            lane.drop_waiting()
        for worker in [worker for worker in self._pool.workers if worker.window]:
            self._pool.discard(worker)

    def _handle(self, ready: list[Hashable]) -> None:
        deaths = []
        for key in ready:
            if key is None:
                self._wake.recv(4096)
            elif isinstance(key, int):
                deaths.append(key)
            else:
                self._receive(key)  # type: ignore[arg-type]
        # After the answers: a worker may have sent its last one just before it ended.
        for worker in self._pool.workers:
            if worker.slot in deaths:
                self._lose(worker)

    def _lose(self, worker: PoolWorker) -> None:
        error = worker.death(self._pool.board, self._names, self._run.items_each)
        self._run.fail(error)
        raise error

    # --- towards the workers

    def _dispatch(self) -> None:
        """Send as many items as the workers' windows take, the last stages first."""
        for lane in reversed(self._lanes):
            while lane.waiting or (lane.is_first and self._wrap_next(lane)):
                parcel = lane.waiting[0]
                worker = lane.choose(parcel)
                if worker is None:
                    break
                lane.waiting.popleft()
                self._send(lane, worker, parcel)
        for worker in self._posted:
            self._flush(worker)
        self._posted.clear()

    def _wrap_next(self, lane: Lane) -> bool:
        """Pickle the next item, or a chunk of those that are there; False when there is none yet."""
        first, values = -1, list[Any]()
        if self._chunk > 1:
            first, values, at_ns = self._feed.take_many(self._chunk)
            lane.enqueued_ns.update(dict.fromkeys(range(first, first + len(values)), at_ns))
        while len(values) < self._chunk:
            message = self._feed.take()
            if message is None:
                break
            if message is STOP:
                if self._run.error is not None:
                    raise self._run.error
                break
            item, value, at_ns = message
            if item == END_OF_SOURCE:
                self._sink.accept(item, value)
                break
            lane.enqueued_ns[item] = at_ns
            if not values:
                first = item
            values.append(value)
        if not values:
            return False
        lane.waiting.append(self._parcel(values, first))
        return True

    def _parcel(self, values: list[Any], first: int) -> Parcel:
        began = perf_counter_ns()
        try:
            body, buffers = self._codec.dumps(values if len(values) > 1 else values[0])
        except Exception as error:
            raise self._unsendable(values, first, error) from error
        stamps = (began, perf_counter_ns(), 0)
        return Parcel(Frame(Kind.ITEM, first, stamps, body, buffers, len(values)))

    def _unsendable(self, values: list[Any], first: int, error: Exception) -> ShippingError:
        """Return the error that names the item that does not pickle."""
        item = first
        for value in values:
            try:
                self._codec.dumps(value)
            except Exception as its_own:
                error = its_own
                break
            item += 1
        unsendable = ShippingError(
            f"{named(item, self._run.items_each)} cannot be sent to a worker process: {summary(error)}"
        )
        unsendable.__cause__ = error
        self._run.fail(unsendable, self._names[0], item)
        return unsendable

    def _send(self, lane: Lane, worker: PoolWorker, parcel: Parcel) -> None:
        now = perf_counter_ns()
        frame = parcel.frame
        frame.stamps = (frame.stamps[0], frame.stamps[1], now)
        try:
            # Before the first byte leaves: an interrupted send must leave the worker marked as busy.
            lane.sent(worker, parcel)
            worker.channel.post(frame)
        except OSError:
            self._lose(worker)
        finally:
            if parcel.origin is not None:
                parcel.origin.release()
        self._posted.add(worker)

    def _flush(self, worker: PoolWorker) -> None:
        try:
            worker.channel.flush()
        except OSError:
            self._lose(worker)

    # --- from the workers

    def _receive(self, worker: PoolWorker) -> None:
        lane = self._by_slot[worker.slot]
        try:
            frames = worker.channel.receive_all()
        except (EOFError, OSError):
            self._lose(worker)
            return
        kept = frames
        try:
            lane.answered(worker, frames)
            kept = lane.hand_on(frames)
            # First more work for the worker, then the time to unpickle.
            self._dispatch()
            for frame in kept:
                self._answers.take(frame, lane.last_stage)
        finally:
            for frame in kept:
                frame.release()
