"""Wakes those who wait for a measuring test, the moment it leaves or dies: a named pipe that hangs up.

Who has closed the gate holds the pipe open for writing. When it lets go, or dies by any means, the
kernel hangs up on everybody who listens. So nobody has to look at the lock file again and again,
which would disturb the measurement they wait for; now and then they look all the same, since a child
that was forked meanwhile may hold the pipe on.

Linux only: there a listener hears the end of a writer it has seen, and nothing before one has come.
"""

from __future__ import annotations

import contextlib
import os
import select
import stat
import sys

assert sys.platform != "win32"

_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW


class PipeBell:
    """See `Bell` of `bytelocks`. Raises `OSError` where there can be no such pipe."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._rope = self._ear = -1
        with contextlib.suppress(FileExistsError):
            os.mkfifo(path, 0o600)
        if not stat.S_ISFIFO(os.lstat(path).st_mode):
            raise OSError(f"{path} is there and is no pipe")

    def hold(self) -> None:
        """Open the pipe for both: for writing alone it would need somebody who listens already."""
        if self._rope < 0:
            with contextlib.suppress(OSError):  # out of descriptors: the others look now and then
                self._rope = os.open(self._path, os.O_RDWR | _FLAGS)

    def let_go(self) -> None:
        """Hang up."""
        self._rope = _closed(self._rope)

    def wait(self, seconds: float) -> bool:
        """Listen from the first call on; that one returns at once, so that nothing is missed in between."""
        if self._ear < 0:
            return self._listen()
        poll = select.poll()
        poll.register(self._ear, 0)  # a hang-up is always told
        return not poll.poll(seconds * 1000) or self._listen()  # a new descriptor has not heard it

    def close(self) -> None:
        """Give both descriptors back."""
        self.let_go()
        self._ear = _closed(self._ear)

    def _listen(self) -> bool:
        self._ear = _closed(self._ear)
        with contextlib.suppress(OSError):
            self._ear = os.open(self._path, os.O_RDONLY | _FLAGS)
        return self._ear >= 0


def _closed(descriptor: int) -> int:
    if descriptor >= 0:
        os.close(descriptor)
    return -1
