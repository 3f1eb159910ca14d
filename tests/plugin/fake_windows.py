"""As much of Windows as `windows_locks` uses, after the documentation of `LockFileEx` and `UnlockFileEx`.

A lock belongs to a handle. An exclusive one overlaps no other lock, not even one of its own handle; a shared
one overlaps shared ones, and an exclusive one of its own handle. Locks of one handle are counted: each is
unlocked by itself, the exclusive one first. Closing a handle drops all its locks.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import pytest_pipeline.plugin.alone

SOURCE = Path(pytest_pipeline.plugin.alone.__file__).with_name("windows_locks.py")
FAIL_IMMEDIATELY, EXCLUSIVE = 1, 2


class FakeWindows:
    """Files, handles and the two functions of `kernel32`."""

    def __init__(self) -> None:
        self._paths: dict[int, str] = {}
        self._locks: list[tuple[int, int, bool]] = []
        self.os = SimpleNamespace(
            open=self._open, close=self._close, O_RDWR=2, O_CREAT=4, O_NOINHERIT=8
        )
        self.flags: list[int] = []

    def get_osfhandle(self, file: int) -> int:
        return file + 1000

    def LockFileEx(  # noqa: N802, PLR0917 - the names and arguments of Windows
        self, handle: Any, flags: int, reserved: int, low: int, high: int, at: Any
    ) -> int:
        assert (reserved, low, high) == (0, 1, 0)
        assert flags & FAIL_IMMEDIATELY, "this call would wait"
        asks, byte, alone = handle.value, self._byte(at), bool(flags & EXCLUSIVE)
        for holder, locked, is_alone in self._locks:
            is_same_byte = locked == byte and self._paths[holder] == self._paths[asks]
            if is_same_byte and (alone or (is_alone and holder != asks)):
                return 0
        self._locks.append((asks, byte, alone))
        return 1

    def UnlockFileEx(self, handle: Any, reserved: int, low: int, high: int, at: Any) -> int:  # noqa: N802 - as above
        assert (reserved, low, high) == (0, 1, 0)
        for alone in (True, False):
            if (handle.value, self._byte(at), alone) in self._locks:
                self._locks.remove((handle.value, self._byte(at), alone))
                return 1
        raise AssertionError("unlocked what is not locked")

    def _byte(self, at: Any) -> int:
        assert at._obj.OffsetHigh == 0
        return int(at._obj.Offset)

    def _open(self, path: str, flags: int) -> int:
        self.flags.append(flags)
        file = len(self.flags)
        self._paths[file + 1000] = path
        return file

    def _close(self, file: int) -> None:
        self._locks = [lock for lock in self._locks if lock[0] != file + 1000]
        del self._paths[file + 1000]


def load(windows: FakeWindows) -> ModuleType:
    """Import `windows_locks` as if this were Windows."""
    spec = importlib.util.spec_from_file_location("fake_windows_locks", SOURCE)
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "platform", "win32")
        patch.setitem(sys.modules, "msvcrt", SimpleNamespace(get_osfhandle=windows.get_osfhandle))
        spec.loader.exec_module(module)
    module.os = windows.os
    module.ctypes = SimpleNamespace(
        Structure=ctypes.Structure,
        byref=ctypes.byref,
        WinDLL=lambda name, use_last_error: {"kernel32": windows}[name],
    )
    assert module.os is not os
    return module
