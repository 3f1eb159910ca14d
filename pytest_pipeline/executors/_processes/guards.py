"""What a worker process does beside its work: follow its parent into the end, leave Ctrl-C to it, show its stacks."""

from __future__ import annotations

import contextlib
import faulthandler
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
from types import FrameType

if sys.platform == "win32":
    PipeEnd = multiprocessing.connection.PipeConnection
else:
    PipeEnd = multiprocessing.connection.Connection

STACK_SIGNAL: int | None = getattr(signal, "SIGRTMAX", None) or getattr(signal, "SIGUSR2", None)
"""Makes a worker dump its stacks; the real-time signal is one that stages do not use."""


def follow_parent() -> None:
    """End this process as soon as the parent has ended, however it ended."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    ends = [parent.sentinel]
    if hasattr(os, "pidfd_open") and parent.pid is not None:
        # The sentinel is a pipe: a process that a sibling's stage has forked may hold it open.
        try:
            ends.append(os.pidfd_open(parent.pid))
        except ProcessLookupError:
            os._exit(1)
        except OSError:
            pass

    def wait() -> None:
        multiprocessing.connection.wait(ends)
        os._exit(1)

    threading.Thread(target=wait, name="pipeline-parent-watch", daemon=True).start()


def end_with_parent() -> None:
    """Have the kernel end this process with the parent: no thread here can while a stage holds the GIL.

    Only once the parent has sent a message. Until then it may still be writing what this process
    starts with into the sentinel's pipe, and the signal comes for whatever happens to that pipe.
    """
    parent = multiprocessing.parent_process()
    if parent is None or sys.platform != "linux":
        return
    import fcntl

    pipe = parent.sentinel
    with contextlib.suppress(OSError):  # the thread of `follow_parent` is there all the same
        fcntl.fcntl(pipe, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(pipe, fcntl.F_SETSIG, signal.SIGKILL)  # a stage may ignore SIGIO
        fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | os.O_ASYNC)


def leave_interrupts_to_parent() -> None:
    """Let Ctrl-C, which a terminal sends to this process as well, do nothing here.

    By a handler: were the signal ignored, so would it be by every program that a stage starts. It
    stays ignored where the caller's process ignores it.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        return
    signal.signal(signal.SIGINT, _do_nothing)
    if sys.platform != "win32":
        # Libraries in C need not be ready for interrupted calls.
        signal.siginterrupt(signal.SIGINT, False)  # noqa: FBT003 - a positional-only argument


def _do_nothing(_signal: int, _frame: FrameType | None) -> None:
    pass


def stacks_pipe() -> tuple[PipeEnd, PipeEnd]:
    """Return the reading end for stacks, and the writing end of the worker. Neither ever blocks.

    A crash must not wait for a reader: what finds no room is lost. A pipe has room for 64 KiB; a
    socket charges 800 bytes for each write, and faulthandler makes nine of them per frame.
    """
    reader, writer = multiprocessing.Pipe(duplex=False)
    if sys.platform != "win32":
        for end in (reader, writer):
            os.set_blocking(end.fileno(), False)
    return reader, writer


def dump_stacks_to(stacks: PipeEnd) -> None:
    """Write the stacks of this process to `stacks` when it crashes, and whenever it is asked."""
    if sys.platform == "win32":  # where a pipe has no descriptor
        return
    faulthandler.enable(stacks.fileno())  # the stack of a crash
    if STACK_SIGNAL is not None:
        faulthandler.register(STACK_SIGNAL, file=stacks.fileno(), all_threads=True)
