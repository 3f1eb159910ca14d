"""The parent's loop over one run of worker processes: send items, receive outputs."""

from __future__ import annotations

import contextlib
import time
from multiprocessing.connection import wait as wait_for
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from pytest_pipeline.executors._processes.waiting import Waiter
from pytest_pipeline.executors._run import SIGNAL_S, TimedOutError

if TYPE_CHECKING:
    import socket
    from collections.abc import Hashable, Sequence

    from pytest_pipeline.executors._processes.answers import Answers
    from pytest_pipeline.executors._processes.lanes import Lane, Parcel
    from pytest_pipeline.executors._processes.packing import Packer
    from pytest_pipeline.executors._processes.pool import Pool
    from pytest_pipeline.executors._processes.poolworker import PoolWorker
    from pytest_pipeline.executors._run import Run
    from pytest_pipeline.executors._sink import Sink

_DRAIN_S = 0.5
"""After a failure, how long other workers may take to finish the item in hand."""


class Dispatcher:
    """One run. With several lanes, what one lane puts out is what the next one takes in."""

    def __init__(
        self,
        pool: Pool,
        run: Run,
        sink: Sink,
        *,
        packer: Packer,
        answers: Answers,
        wake: socket.socket,
        names: tuple[str, ...],
        lanes: Sequence[Lane],
    ) -> None:
        self._pool = pool
        self._run = run
        self._sink = sink
        self._packer = packer
        self._answers = answers
        self._wake = wake
        self._names = names
        self._lanes = lanes
        self._by_slot = {worker.slot: lane for lane in lanes for worker in lane.workers}
        self._posted: set[PoolWorker] = set()
        watched: dict[Any, Hashable] = {wake: None}
        for worker in pool.workers:
            watched[worker.channel] = worker
            watched[worker.process.sentinel] = worker.slot
        self._waiter = Waiter(watched)

    def serve(self, deadline: float) -> None:
        """Run until every output is emitted. Raises the run's error when the run failed."""
        for worker in self._pool.workers:
            worker.channel.limit(max(_DRAIN_S, deadline - time.monotonic()))
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
        for worker in self._pool.workers:
            worker.channel.limit(_DRAIN_S)
        for worker in self._posted:  # what was not sent is not answered
            with contextlib.suppress(OSError):
                worker.channel.flush()
        self._posted.clear()
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
            while lane.waiting or (lane.is_first and self._packer.fill(lane)):
                parcel = lane.waiting[0]
                worker = lane.choose(parcel)
                if worker is None:
                    break
                lane.waiting.popleft()
                self._send(lane, worker, parcel)
        for worker in self._posted:
            self._flush(worker)
        self._posted.clear()

    def _send(self, lane: Lane, worker: PoolWorker, parcel: Parcel) -> None:
        now = perf_counter_ns()
        frame = parcel.frame
        frame.stamps = (frame.stamps[0], frame.stamps[1], now)
        try:
            # Before the first byte leaves: an interrupted send must leave the worker marked as busy.
            lane.sent(worker, parcel)
            worker.channel.post(frame)
        except BlockingIOError:
            raise TimedOutError from None
        except OSError:
            self._lose(worker)
        finally:
            if parcel.origin is not None:
                parcel.origin.release()
        self._posted.add(worker)

    def _flush(self, worker: PoolWorker) -> None:
        try:
            worker.channel.flush()
        except BlockingIOError:
            raise TimedOutError from None
        except OSError:
            self._lose(worker)

    # --- from the workers

    def _receive(self, worker: PoolWorker) -> None:
        lane = self._by_slot[worker.slot]
        try:
            frames = worker.channel.receive_all()
        except BlockingIOError:
            raise TimedOutError from None
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
