"""Worker processes seen from the parent: start, talk to, watch, kill and replace them."""

from __future__ import annotations

import contextlib
import multiprocessing
import sys
import time
from collections.abc import Iterable
from multiprocessing.connection import wait as wait_for
from typing import TYPE_CHECKING, Any

from pytest_pipeline.errors import ShippingError, WorkerDiedError
from pytest_pipeline.executors._processes.board import Board
from pytest_pipeline.executors._processes.frames import Frame, Kind
from pytest_pipeline.executors._processes.poolworker import PoolWorker
from pytest_pipeline.executors._processes.records import Roster

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

_CLOSE_S = 1.0
"""How long workers may take to end by themselves at close, all together."""

_STACKS_S = 1.0
"""How long to wait for the stacks of hung workers, all together."""

_ANSWERS = {Kind.BEGIN: Kind.READY, Kind.END: Kind.REPORT}
"""What a worker answers, with the same run number."""


class Pool:
    """The worker processes of one open executor. Dead or killed ones are replaced on demand."""

    def __init__(
        self,
        roster: Roster,
        start_method: str | None,
        stages: bytes,
        names: tuple[str, ...],
        timeout_s: float,
    ) -> None:
        self._context: Any = multiprocessing.get_context(start_method or _default_start_method())
        self._roster = roster
        self._stages = stages
        self._names = names
        self._timeout_s = timeout_s
        self.board = Board.create(len(roster.stages))
        self.workers: list[PoolWorker] = []
        self._lost: list[tuple[BaseProcess, str]] = []

    @property
    def abandoned(self) -> tuple[str, ...]:
        """Names of the processes that were killed and are there all the same."""
        return tuple(name for process, name in self._lost if process.is_alive())

    def fill(self) -> bool:
        """Start the workers that are missing and wait until they hold the stages.

        Returns whether any had to be started.
        """
        # One with something in its window was not drained: its next answer belongs to an old run.
        for worker in [w for w in self.workers if w.window or not w.process.is_alive()]:
            self.discard(worker)
        taken = {worker.slot for worker in self.workers}
        started = []
        for slot in range(len(self._roster.stages)):
            if slot not in taken:
                started.append(PoolWorker(slot, self.board, self._roster, self._context))
                self.workers.append(started[-1])
        self.workers.sort(key=lambda worker: worker.slot)
        for worker in started:
            self._send(worker, Frame(Kind.INIT, body=self._stages))
        for worker in started:
            self._await_stages(worker)
        return bool(started)

    def discard(self, worker: PoolWorker) -> None:
        """Kill a worker; `fill` replaces it."""
        worker.strike()
        self._bury(worker)

    def discard_all(self) -> None:
        """Kill every worker; each has been sent the kill before there is a wait for any."""
        with contextlib.ExitStack() as rest:  # from the last to the first, even if Ctrl-C ends one
            for worker in self.workers:
                rest.callback(self._bury, worker)
            for worker in self.workers:
                rest.callback(worker.strike)

    def _bury(self, worker: PoolWorker) -> None:
        self.workers.remove(worker)
        if not worker.bury():
            name = f"{worker.process.name} (process {worker.process.pid})"
            self._lost.append((worker.process, name))

    def handshake(self, frame: Frame) -> list[Frame]:
        """Send `frame` to every worker and return their answers."""
        for worker in self.workers:
            self._send(worker, frame)
        return [self._answer_to(frame, worker) for worker in self.workers]

    def stacks(self, workers: Iterable[PoolWorker]) -> str:
        """Return the stacks of these workers, as far as they can be had."""
        asked = list(workers)
        for worker in asked:
            worker.ask_stacks()
        deadline = time.monotonic() + _STACKS_S
        return "\n".join(
            f"worker process {worker.process.pid}:\n{worker.read_stacks(max(0.0, deadline - time.monotonic()))}"
            for worker in asked
        )

    def close(self) -> None:
        """End every worker: ask, wait a moment, kill."""
        with contextlib.ExitStack() as rest:  # each of them, even if Ctrl-C ends one of them
            rest.callback(self.board.close)
            rest.callback(self.discard_all)
            self._ask_to_end()

    def _ask_to_end(self) -> None:
        for worker in self.workers:
            with contextlib.suppress(OSError):
                worker.channel.limit(_CLOSE_S)
                worker.channel.send(Frame(Kind.CLOSE))
        deadline = time.monotonic() + _CLOSE_S
        for worker in self.workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))

    def _send(self, worker: PoolWorker, frame: Frame) -> None:
        try:
            worker.channel.limit(self._timeout_s)
            worker.channel.send(frame)
        except BlockingIOError:
            raise self._silence(worker) from None
        except OSError:
            raise worker.death(self.board, self._names) from None

    def _answer(self, worker: PoolWorker) -> Frame:
        if not wait_for([worker.channel.sock, worker.process.sentinel], self._timeout_s):
            raise self._silence(worker)
        try:
            worker.channel.limit(self._timeout_s)
            return worker.channel.receive()
        except BlockingIOError:
            raise self._silence(worker) from None
        except (EOFError, OSError):
            raise worker.death(self.board, self._names) from None

    def _silence(self, worker: PoolWorker) -> WorkerDiedError:
        return WorkerDiedError(
            f"worker process {worker.process.pid} did not answer within {self._timeout_s:g} s\n{self.stacks([worker])}"
        )

    def _answer_to(self, frame: Frame, worker: PoolWorker) -> Frame:
        answer = self._answer(worker)
        if answer.kind is _ANSWERS[frame.kind] and answer.item == frame.item:
            return answer
        answer.release()
        raise WorkerDiedError(
            f"worker process {worker.process.pid} answered {answer.kind.name} {answer.item} to {frame.kind.name} {frame.item}: "
            "it was still at an earlier execution, and is replaced; next: run again"
        )

    def _await_stages(self, worker: PoolWorker) -> None:
        answer = self._answer(worker)
        if answer.kind is not Kind.READY:
            raise self._unloaded(bytes(answer.body).decode())
        has_slots, _, _ = answer.stamps
        if not has_slots:
            worker.channel.use_slots(None, None)

    def _unloaded(self, answer: str) -> ShippingError:
        """Return the error for what a worker answers instead of READY: what was raised in one line, and its traceback."""
        raised, _, stack = answer.partition("\n")
        which = ", ".join(map(repr, self._names))
        return ShippingError(
            f"{'stage' if len(self._names) == 1 else 'one of the stages'} {which} cannot be loaded in a worker process: {raised}\n"
            "next: put the modules that it imports where every process finds them (install them, or PYTHONPATH), "
            f"create what cannot be rebuilt inside the stage, or use threads\n{stack}"
        )


def _default_start_method() -> str:
    """Return forkserver where it exists: it inherits neither threads nor descriptors of pytest."""
    return "spawn" if sys.platform == "win32" else "forkserver"
