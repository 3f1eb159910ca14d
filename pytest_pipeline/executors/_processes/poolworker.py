"""One worker process seen from the parent: start it, talk to it, kill it, say how it died."""

from __future__ import annotations

import contextlib
import multiprocessing.process
import os
import signal
import sys
import types
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import wait as wait_for
from typing import TYPE_CHECKING, Any

from pytest_pipeline.errors import WorkerDiedError
from pytest_pipeline.executors._places import named
from pytest_pipeline.executors._processes.board import IDLE, Board
from pytest_pipeline.executors._processes.channel import Channel
from pytest_pipeline.executors._processes.child import main
from pytest_pipeline.executors._processes.frames import Frame
from pytest_pipeline.executors._processes.guards import STACK_SIGNAL, stacks_pipe
from pytest_pipeline.executors._processes.records import Roster, Setup
from pytest_pipeline.executors._processes.slots import IS_SUPPORTED, Room, SlotReader, SlotWriter
from pytest_pipeline.executors._processes.sockets import prefetch_limit, socket_pair
from pytest_pipeline.executors.protocol import WORKER_PROCESS

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    import psutil

_DEATH_S = 1.0
"""How long a worker whose channel is closed, or that was killed, may take to be gone."""

_STACK_BYTES = 1 << 16

_START_DESCRIPTORS = 8
"""What `multiprocessing` opens, for a moment, to start a process."""


@dataclass(slots=True)
class Sent:
    """A message with items that a worker has not answered completely."""

    item: int
    count: int
    """Items not answered yet."""
    size: int
    """Bytes that it took on the socket."""


class PoolWorker:
    """One worker process, its channel, and the items that it has not answered yet."""

    def __init__(self, slot: int, board: Board, roster: Roster, context: Any) -> None:
        self.slot = slot
        self.window: deque[Sent] = deque()
        """What was sent and is not answered, oldest first."""
        self.window_bytes = 0
        self.trouble = ""
        """Why it has no shared memory for large buffers."""
        self.blocked_since_ns = self.blocked_ns = 0
        """How long it could not be given the next item since nobody had room for its output."""
        with contextlib.ExitStack() as undo:
            self._open(undo, board, roster, context)
            self._undo = undo.pop_all()

    def _open(self, undo: contextlib.ExitStack, board: Board, roster: Roster, context: Any) -> None:
        ours, theirs = socket_pair()
        self.channel = undo.enter_context(contextlib.closing(Channel(ours)))
        with theirs:
            self._stacks, stacks_end = stacks_pipe()
            undo.enter_context(self._stacks)
            with stacks_end:
                self.prefetch_bytes = prefetch_limit(ours)
                board.clear(self.slot)
                self._room = room = self._make_room(undo) if IS_SUPPORTED else None
                stages = roster.stages[self.slot]
                setup = Setup(
                    self.slot,
                    len(roster.stages),
                    board.file,
                    None if room is None else room.file,
                    stages,
                    workers=roster.stages.count(stages),
                    is_relayed=len(roster.lanes) > 1,
                    is_view=roster.is_view,
                    environ=dict(os.environ),
                )
                self.process: BaseProcess = context.Process(
                    target=main,
                    args=(theirs, stacks_end, setup),
                    name=f"{WORKER_PROCESS}{self.slot}",
                )
                _require_descriptors()
                with _nameless_main():
                    self.process.start()

    def _make_room(self, undo: contextlib.ExitStack) -> Room | None:
        try:
            room = undo.enter_context(contextlib.closing(Room.create()))
        except OSError as error:
            self.trouble = f"{type(error).__name__}: {error}"
            return None
        self.channel.use_slots(SlotWriter(room, 0), SlotReader(room))
        return room

    def answered(self, frame: Frame) -> None:
        """Take what `frame` answers out of the window."""
        oldest = self.window[0]
        oldest.count -= frame.count
        if oldest.count <= 0:
            self.window_bytes -= oldest.size
            self.window.popleft()

    def strike(self) -> None:
        """Send the kill, to the process and to what an unfinished stage has started; wait for nothing."""
        started = []
        try:
            started = _started_by(self.process.pid) if self.window else []
        finally:  # a second Ctrl-C ends the search, not the kill
            self.process.kill()
        for child in started:
            with _psutil_errors():
                child.kill()

    def bury(self) -> bool:
        """Wait for the end of a process that was sent the kill, and release what belongs to it.

        Returns whether it is gone: in a wait that the kernel does not interrupt, not even SIGKILL ends it.
        """
        try:
            self.process.join(_DEATH_S)
            is_gone = self.process.exitcode is not None
            if is_gone:
                self.process.close()
            else:
                # Else the interpreter would wait for it at its end.
                getattr(multiprocessing.process, "_children", set()).discard(self.process)
            return is_gone
        finally:
            self._undo.close()

    def ask_stacks(self) -> None:
        """Make the process dump its stacks, whatever it is doing."""
        if STACK_SIGNAL is not None and self.process.pid is not None:
            with contextlib.suppress(OSError):
                os.kill(self.process.pid, STACK_SIGNAL)

    def read_stacks(self, patience_s: float) -> str:
        """Return what arrived, waiting for the first of it up to `patience_s`."""
        if sys.platform == "win32":  # where nothing arrives
            return ""
        parts = []
        while wait_for([self._stacks], patience_s):
            try:
                parts.append(os.read(self._stacks.fileno(), _STACK_BYTES))
            except OSError:
                break
            if not parts[-1]:
                break
            patience_s = 0.02
        return b"".join(parts).decode(errors="replace")

    def _in_hand(self, item: int, items_each: int) -> str:
        """Return what it was at, by the board: answers of earlier items may be finished and not yet sent."""
        covers = [s for s in self.window if s.item <= item < s.item + s.count]
        sent = covers[0] if covers else self.window[0]
        first, count = sent.item * items_each, sent.count * items_each
        return f"item {first}" if count == 1 else f"items {first} to {first + count - 1}"

    def death(self, board: Board, names: tuple[str, ...], items_each: int = 1) -> WorkerDiedError:
        """Return the error that says how the process ended, and at what."""
        self.process.join(_DEATH_S)
        stage, item, _ = board.read(self.slot)
        if stage != IDLE:
            where = f"stage {names[stage]!r}, {named(item, items_each)}"
        elif self.window:
            where = f"between stages, {self._in_hand(item, items_each)}"
        else:
            where = "no item in hand"
        pid, stacks = self.process.pid, self.read_stacks(0.0)
        text = f"worker process {pid} ended by itself ({_ending(self.process.exitcode)}): {where}"
        lines = [text, _next_step(self.process.exitcode), stacks]
        return WorkerDiedError("\n".join(line for line in lines if line))


def _psutil_errors() -> contextlib.suppress:
    """Leave out what has ended meanwhile, and what may not be seen or ended."""
    import psutil

    return contextlib.suppress(psutil.Error)


def _started_by(pid: int | None) -> list[psutil.Process]:
    """Return the processes that this one has started, and theirs."""
    import psutil

    with _psutil_errors():
        return psutil.Process(pid).children(recursive=True)
    return []


def _next_step(exitcode: int | None) -> str:
    if exitcode == -9:  # SIGKILL, a name that Windows lacks
        return "next: if nobody killed it, memory ran out: use smaller items or fewer workers"
    return "next: run the stage on this item with serial_executor; a crash or exit shows there"


def _require_descriptors() -> None:
    """Raise `OSError` now if starting a process would run out of them: midway it would lose some."""
    with contextlib.ExitStack() as opened:
        for _ in range(_START_DESCRIPTORS):
            opened.callback(os.close, os.open(os.devnull, os.O_RDONLY))


@contextlib.contextmanager
def _nameless_main() -> Iterator[None]:
    """Keep a child from importing the caller's `__main__`.

    Whatever of `__main__` the stages need travels by value. Importing it again would cost a child
    0.2 s under the `pytest` command, and would run an unguarded script a second time.
    """
    real = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = real


def _ending(exitcode: int | None) -> str:
    if exitcode is None:
        return "its channel is closed, but it still runs"
    if exitcode >= 0:
        return f"exit code {exitcode}"
    try:
        return f"signal {signal.Signals(-exitcode).name}"
    except ValueError:
        return f"signal {-exitcode}"
