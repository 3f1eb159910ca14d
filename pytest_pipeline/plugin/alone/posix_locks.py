"""Byte locks by `fcntl`: Linux, macOS and other Unixes.

Record locks, not `flock`: a forked child does not inherit them, so that one that outlives its parent
keeps nobody out. Their trap: closing *any* descriptor of the file in this process drops them all.
"""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Callable

assert sys.platform != "win32"

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
"""Children do not get the descriptor; a link that somebody put at a known path is not followed."""

_PROBE_BYTE = 1000


class PosixLocks:
    """See `ByteLocks`."""

    def __init__(self, path: str, closed: Callable[[str], object]) -> None:
        self._path = path
        self._closed = closed
        self._file = os.open(path, _FLAGS, 0o600)
        try:  # a file system without locks says so here, not in the middle of a session
            fcntl.lockf(self._file, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, _PROBE_BYTE)
        except OSError:
            os.close(self._file)
            raise

    def take(self, byte: int) -> bool:
        """Take `byte` exclusively."""
        return self._try(fcntl.LOCK_EX | fcntl.LOCK_NB, byte)

    def share(self, byte: int) -> bool:
        """Take `byte` together with others."""
        return self._try(fcntl.LOCK_SH | fcntl.LOCK_NB, byte)

    def share_behind(self, byte: int) -> bool:
        """Share the byte after `byte`: both in one step, then `byte` is given back."""
        if not self._try(fcntl.LOCK_SH | fcntl.LOCK_NB, byte, 2):
            return False
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, byte)
        return True

    def free(self, byte: int) -> None:
        """Give `byte` back."""
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, byte)

    def close(self) -> None:
        """Give everything back."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
            self._closed(self._path)

    def _try(self, operation: int, byte: int, length: int = 1) -> bool:
        try:
            fcntl.lockf(self._file, operation, length, byte)
        except (BlockingIOError, PermissionError):  # EAGAIN or EACCES: somebody has it
            return False
        return True
