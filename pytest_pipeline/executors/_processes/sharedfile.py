"""Memory that processes share and that has no name, so that nothing of it can ever be left behind."""

from __future__ import annotations

import contextlib
import mmap
import os
import sys
import tempfile
import uuid
from multiprocessing import reduction
from pathlib import Path
from typing import Any

_ZEROS_BYTES = 1 << 20


class SharedFile:
    """A sparse file without a name: gone when the last process that holds it has ended.

    A `memfd` on Linux (it counts as memory, not against the size of /dev/shm), elsewhere on POSIX a
    temporary file whose name is removed at once. On Windows a named mapping of the paging file,
    which lives as long as a process maps it. Travels to a worker as an argument of its process.
    """

    def __init__(self, descriptor: int, size: int, name: str = "") -> None:
        self._descriptor = descriptor
        self._size = size
        self._name = name

    @classmethod
    def create(cls, size: int) -> SharedFile:
        """Make one of `size` bytes, which take up memory only once they are written."""
        if sys.platform == "win32":
            return cls(-1, size, f"pytest-pipeline-{uuid.uuid4()}")
        descriptor = _nameless()
        try:
            os.ftruncate(descriptor, size)
        except BaseException:
            os.close(descriptor)
            raise
        return cls(descriptor, size)

    def map(self, offset: int, size: int) -> mmap.mmap:
        """Return a shared mapping of a part; `offset` is a multiple of `mmap.ALLOCATIONGRANULARITY`."""
        if sys.platform == "win32":
            return mmap.mmap(-1, offset + size, tagname=self._name)
        return mmap.mmap(self._descriptor, size, offset=offset)

    def reserve(self, offset: int, size: int) -> None:
        """Take memory for a part now: `OSError` here, instead of a bus error at the first write."""
        if sys.platform == "win32":
            return  # there are no slots there
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(self._descriptor, offset, size)
            return
        zeros = bytes(min(size, _ZEROS_BYTES))
        for at in range(offset, offset + size, _ZEROS_BYTES):
            os.pwrite(self._descriptor, zeros[: offset + size - at], at)

    def close(self) -> None:
        """Let go of the file; mappings of it live on."""
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = -1

    def __reduce__(self) -> tuple[Any, ...]:
        if sys.platform == "win32" or self._descriptor < 0:
            return SharedFile, (-1, self._size, self._name)
        return _received, (reduction.DupFd(self._descriptor), self._size)


def _received(duplicate: Any, size: int) -> SharedFile:
    return SharedFile(duplicate.detach(), size)


def _nameless() -> int:
    if sys.platform == "linux" and hasattr(os, "memfd_create"):
        return os.memfd_create("pytest-pipeline", os.MFD_CLOEXEC)
    descriptor, path = tempfile.mkstemp(prefix="pytest-pipeline-")
    Path(path).unlink()
    return descriptor
