"""Byte locks by `LockFileEx`, after its documentation.

Has run on a played Windows only (`tests/plugin/fake_windows.py`): no real one at hand.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from ctypes import wintypes
from typing import Any

assert sys.platform == "win32"

import msvcrt  # noqa: E402 - exists only there

_FAIL_IMMEDIATELY = 1
_EXCLUSIVE = 2


class _Overlapped(ctypes.Structure):
    _fields_ = (
        ("Internal", ctypes.c_size_t),
        ("InternalHigh", ctypes.c_size_t),
        ("Offset", wintypes.DWORD),
        ("OffsetHigh", wintypes.DWORD),
        ("hEvent", wintypes.HANDLE),
    )


class WindowsLocks:
    """See `ByteLocks`."""

    def __init__(self, path: str, closed: Callable[[str], object]) -> None:
        self._path = path
        self._closed = closed
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOINHERIT)
        self._handle = msvcrt.get_osfhandle(self._file)
        self._kernel: Any = ctypes.WinDLL("kernel32", use_last_error=True)

    def take(self, byte: int) -> bool:
        """Take `byte` exclusively."""
        return self._try(_FAIL_IMMEDIATELY | _EXCLUSIVE, byte)

    def share(self, byte: int) -> bool:
        """Take `byte` together with others."""
        return self._try(_FAIL_IMMEDIATELY, byte)

    def share_behind(self, byte: int) -> bool:
        """Share the byte after `byte`. One by one: what is locked in one step is unlocked in one step."""
        if not self.share(byte):
            return False
        is_shared = self.share(byte + 1)
        self.free(byte)
        return is_shared

    def free(self, byte: int) -> None:
        """Give `byte` back."""
        at = ctypes.byref(_Overlapped(Offset=byte))
        self._kernel.UnlockFileEx(wintypes.HANDLE(self._handle), 0, 1, 0, at)

    def close(self) -> None:
        """Give everything back."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
            self._closed(self._path)

    def _try(self, flags: int, byte: int) -> bool:
        at = ctypes.byref(_Overlapped(Offset=byte))
        return bool(self._kernel.LockFileEx(wintypes.HANDLE(self._handle), flags, 0, 1, 0, at))
