"""The parent's loop over one run of worker processes: send items, receive outputs."""

from __future__ import annotations

import pickle
import time
from dataclasses import dataclass
from multiprocessing.connection import wait as wait_for
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Protocol

from pytest_pipeline.errors import ShippingError, StageError
from pytest_pipeline.executors._channel import Frame, Kind
from pytest_pipeline.executors._hops import END_OF_SOURCE, STOP
from pytest_pipeline.executors._run import SIGNAL_S, TimedOutError
from pytest_pipeline.executors._shipping import RemoteTraceback
from pytest_pipeline.executors._sink import Dropped
from pytest_pipeline.executors._summary import summary
from pytest_pipeline.executors._waiting import Waiter

if TYPE_CHECKING:
    import socket
    from collections.abc import Hashable

    from pytest_pipeline.executors._hops import Message
    from pytest_pipeline.executors._pool import Pool, PoolWorker
    from pytest_pipeline.executors._run import Run
    from pytest_pipeline.executors._shipping import Codec
    from pytest_pipeline.executors._sink import Sink

_QUICK_NS = 2_000_000
"""Workers get items in advance worth so much time: it saves a wake-up per item. Longer ones are
not sent ahead, since they could wait behind another while a worker elsewhere is free."""

_MOST_AHEAD = 8
"""Items in advance at most."""

_DRAIN_S = 0.5
"""After a failure, how long other workers may take to finish the item in hand."""


class Feed(Protocol):
    """Where the items come from."""

    def take(self) -> Message | None:
        """Return the next item, the end of the source, or `STOP`; None when there is none yet."""
        ...


@dataclass(slots=True)
class _Parcel:
    """An item that is pickled and waits for a worker."""

    frame: Frame
    size: int


class Dispatcher:
    """One run."""

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
    ) -> None:
        self.enqueued_ns: list[int] = []
        """Per item: when it became available to the first stage."""
        self._pool = pool
        self._codec = codec
        self._run = run
        self._sink = sink
        self._feed = feed
        self._wake = wake
        self._names = names
        self._parcel: _Parcel | None = None
        self._turn_ns = 2 * _QUICK_NS
        """Moving mean of a worker's turn, from item to answer."""
        watched: dict[Any, Hashable] = {wake: None}
        for worker in pool.workers:
            watched[worker.channel] = worker
            watched[worker.process.sentinel] = worker.slot
        self._waiter = Waiter(watched)

    def serve(self, deadline: float) -> None:
        """Run until every output is emitted. Raises the run's error when the run failed."""
        while True:
            self._dispatch()
            if self._sink.is_complete:
                self._run.end()
                return
            ready = self._waiter.wait(min(SIGNAL_S, deadline - time.monotonic()))
            if not ready and time.monotonic() >= deadline:
                raise TimedOutError
            self._handle(ready)

    def cancel(self, number: int) -> None:
        """After a failure: let the workers finish the item in hand, kill those that do not."""
        self._pool.board.cancel(number)
        deadline = time.monotonic() + _DRAIN_S
        while busy := [worker for worker in self._pool.workers if worker.window]:
            ready = wait_for(
                [worker.channel.sock for worker in busy], max(0.0, deadline - time.monotonic())
            )
            if not ready:
                break
            for worker in [worker for worker in busy if worker.channel.sock in ready]:
                try:
                    worker.channel.receive()
                    worker.window_bytes -= worker.window.popleft()[1]
                except (EOFError, OSError):
                    self._pool.discard(worker)
        self.kill_busy()

    def kill_busy(self) -> None:
        """Kill the workers that have not answered."""
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
        error = worker.death(self._pool.board, self._names)
        self._run.fail(error)
        raise error

    # --- towards the workers

    def _dispatch(self) -> None:
        """Send as many items as the workers' windows take."""
        while self._parcel is not None or self._wrap_next():
            assert self._parcel is not None
            worker = self._choose(self._parcel.size)
            if worker is None:
                return
            self._send(worker, self._parcel)
            self._parcel = None

    def _wrap_next(self) -> bool:
        """Pickle the next item; False when there is none yet."""
        message = self._feed.take()
        if message is None:
            return False
        if message is STOP:
            if self._run.error is not None:
                raise self._run.error
            return False
        item, value, at_ns = message
        if item == END_OF_SOURCE:
            self._sink.accept(item, value)
            return False
        self.enqueued_ns.append(at_ns)
        began = perf_counter_ns()
        try:
            body, buffers = self._codec.dumps(value)
        except Exception as error:
            unsendable = ShippingError(
                f"item {item} cannot be sent to a worker process: {summary(error)}"
            )
            unsendable.__cause__ = error
            self._run.fail(unsendable, self._names[0], item)
            raise unsendable from error
        frame = Frame(Kind.ITEM, item, (began, perf_counter_ns(), 0), body, buffers)
        self._parcel = _Parcel(frame, len(body) + sum(buffer.nbytes for buffer in buffers))
        return True

    def _choose(self, size: int) -> PoolWorker | None:
        """Return a free worker, or one that may have an item in advance."""
        for worker in self._pool.workers:
            if not worker.window:
                return worker
        worker = min(self._pool.workers, key=_window_length)
        room = min(_MOST_AHEAD, _QUICK_NS // max(1, self._turn_ns))
        is_fitting = worker.window_bytes + size <= worker.prefetch_bytes
        return worker if is_fitting and len(worker.window) <= room else None

    def _send(self, worker: PoolWorker, parcel: _Parcel) -> None:
        now = perf_counter_ns()
        if not worker.window:
            worker.sent_ns = now
        # Before the first byte leaves: an interrupted send must leave the worker marked as busy.
        frame = parcel.frame
        worker.window.append((frame.item, parcel.size))
        worker.window_bytes += parcel.size
        frame.stamps = (frame.stamps[0], frame.stamps[1], now)
        try:
            worker.channel.send(frame)
        except OSError:
            self._lose(worker)

    # --- from the workers

    def _receive(self, worker: PoolWorker) -> None:
        try:
            frame = worker.channel.receive()
        except (EOFError, OSError):
            self._lose(worker)
            return
        _, size = worker.window.popleft()
        worker.window_bytes -= size
        now = perf_counter_ns()
        self._turn_ns += (now - worker.sent_ns - self._turn_ns) // 4
        worker.sent_ns = now
        # First more work for the worker, then the time to unpickle.
        self._dispatch()
        self._answer(frame)

    def _answer(self, frame: Frame) -> None:
        item = frame.item
        if frame.kind is Kind.RESULT:
            try:
                value = self._codec.loads(frame.body, frame.buffers)
            except Exception as error:
                self._refuse(item, f"cannot be rebuilt here: {summary(error)}")
            self._sink.accept(item, value)
        elif frame.kind is Kind.UNSENDABLE:
            self._refuse(
                item, f"cannot be sent back from a worker process: {bytes(frame.body).decode()}"
            )
        else:
            self._raised(frame)

    def _refuse(self, item: int, why: str) -> None:
        error = ShippingError(f"the output of stage {self._names[-1]!r}, item {item} {why}")
        self._run.fail(error, self._names[-1], item)
        raise error

    def _raised(self, frame: Frame) -> None:
        stage, is_plain, _ = frame.stamps
        carried, text, stack = pickle.loads(frame.body)
        if self._run.collects_errors and is_plain:
            self._sink.accept(frame.item, Dropped(self._names[stage], frame.item, text))
            return
        error = self._rebuilt(carried, text)
        error.__cause__ = RemoteTraceback(stack)
        self._run.fail(error, self._names[stage], frame.item)
        raise error

    def _rebuilt(self, carried: bytes, text: str) -> BaseException:
        if carried:
            try:
                error = self._codec.loads(carried, ())
            except Exception as problem:
                text = f"{text} (not rebuilt: {summary(problem)})"
            else:
                assert isinstance(error, BaseException)
                return error
        return StageError(
            f"{text} (raised in a worker process; the exception itself could not be carried)"
        )


def _window_length(worker: PoolWorker) -> int:
    return len(worker.window)
