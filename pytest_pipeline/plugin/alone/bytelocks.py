"""Locks on single bytes of one file: shared or exclusive, and gone when the process dies by any means.

Each file is opened once per process and by nobody else, see `posix_locks`.
"""

from __future__ import annotations

import contextlib
import sys
from typing import Protocol

_OPEN: set[str] = set()
"""Files this process holds open: a nested pytest session must not open, and close, one again."""


class ByteLocks(Protocol):
    """What the entrance needs of a lock file. Asking never waits."""

    def take(self, byte: int) -> bool:
        """Take `byte` exclusively; False when another process has it."""

    def share(self, byte: int) -> bool:
        """Take `byte` together with others who share it; False when somebody has it exclusively."""

    def share_behind(self, byte: int) -> bool:
        """Share the byte after `byte`, if `byte` can be shared now; `byte` itself is given back.

        In as few system calls as there can be: each ordinary test pays for it.
        """

    def free(self, byte: int) -> None:
        """Give `byte` back; only for one that this process holds."""

    def close(self) -> None:
        """Give everything back."""


class Bell(Protocol):
    """What the waiting need."""

    def hold(self) -> None:
        """Begin to keep others out: they will hear when that ends."""

    def let_go(self) -> None:
        """Wake everybody who waits; harmless when it is not held."""

    def wait(self, seconds: float) -> bool:
        """Wait for the one who keeps others out to end, for `seconds` at most; False when that cannot be heard."""

    def close(self) -> None:
        """Let go, and stop listening."""


def open_locks(path: str) -> ByteLocks:
    """Return the locks of the file at `path`, which is made when it is missing.

    Raises `OSError` where there can be none: an unwritable folder, a file system without locks, or a
    file that this very process uses already.
    """
    if path in _OPEN:
        raise OSError(f"{path} is in use by an enclosing session of this process")
    made: ByteLocks
    if sys.platform == "win32":
        from pytest_pipeline.plugin.alone.windows_locks import WindowsLocks

        made = WindowsLocks(path, _OPEN.discard)
    else:
        from pytest_pipeline.plugin.alone.posix_locks import PosixLocks

        made = PosixLocks(path, _OPEN.discard)
    _OPEN.add(path)
    return made


def open_bell(path: str) -> Bell | None:
    """Return what wakes those who wait at the lock file `path`; None where they have to look by themselves."""
    if sys.platform == "linux":
        from pytest_pipeline.plugin.alone.bell import PipeBell

        with contextlib.suppress(OSError):
            return PipeBell(f"{path}.bell")
    return None
