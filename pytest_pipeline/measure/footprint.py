"""The memory of this process and its descendants, by the fairest count that the system offers."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections.abc import Callable
from pathlib import Path


class Footprint:
    """Reads the memory of the process tree.

    Proportional set size on Linux: a page that n processes share counts 1/n in each, so that the sum
    over parent and workers counts it once. Elsewhere unique (Windows) or resident set size (macOS,
    where a process may not look into its children); `kind` says which.
    """

    def __init__(self) -> None:
        self.kind, self._read_one = _best_reader()

    def read_bytes(self) -> int:
        """Return the bytes that this process and its descendants hold now.

        A child that ended meanwhile, or that may not be read, counts nothing.
        """
        import psutil

        me = psutil.Process()
        total = self._read_one(me.pid)
        for child in me.children(recursive=True):
            try:
                total += self._read_one(child.pid)
            except (OSError, psutil.Error):
                continue
        return total


def settle() -> None:
    """Collect garbage and give free heap back to the system.

    Without it the second execution would re-use what the first one freed, and add nothing.
    """
    gc.collect()
    trim = None if sys.platform != "linux" else getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:  # glibc has it, musl has not
        trim(0)


def _best_reader() -> tuple[str, Callable[[int], int]]:
    try:
        _pss_bytes(os.getpid())
    except OSError:
        return ("USS", _uss_bytes) if sys.platform == "win32" else ("RSS", _rss_bytes)
    return "PSS", _pss_bytes


def _pss_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_bytes().splitlines():
        if line.startswith(b"Pss:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"no Pss in /proc/{pid}/smaps_rollup")


def _uss_bytes(pid: int) -> int:
    import psutil

    return int(psutil.Process(pid).memory_full_info().uss)


def _rss_bytes(pid: int) -> int:
    import psutil

    return int(psutil.Process(pid).memory_info().rss)
