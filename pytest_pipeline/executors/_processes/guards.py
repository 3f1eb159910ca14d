"""What a worker process does beside its work: follow its parent into the end, and show its stacks."""

from __future__ import annotations

import faulthandler
import multiprocessing
import multiprocessing.connection
import os
import signal
import socket
import sys
import threading

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


def dump_stacks_to(stacks: socket.socket) -> None:
    """Write the stacks of this process to `stacks` when it crashes, and whenever it is asked."""
    faulthandler.enable(stacks.fileno())  # the stack of a crash
    if sys.platform != "win32" and STACK_SIGNAL is not None:
        faulthandler.register(STACK_SIGNAL, file=stacks.fileno(), all_threads=True)
