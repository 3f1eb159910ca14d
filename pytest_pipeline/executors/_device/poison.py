"""Whether an earlier error has made CUDA unusable in this process, and what it was.

A device-side assert or an illegal address ends the CUDA context of the process: every later call
fails, clean-up included. So later tests are told at once, with the cause.
"""

from __future__ import annotations

import ctypes
import threading
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Poison:
    """The first error of that kind."""

    cause: str
    """Stage and item, and the first line of the error."""
    test: str = ""
    """Node id of the test that it happened in; empty outside pytest."""

    @property
    def text(self) -> str:
        """Why CUDA cannot be used, and what to do."""
        where = f" in {self.test}" if self.test else ""
        return (
            f"CUDA is unusable in this process since an earlier error{where}: {self.cause};"
            " next: run that test alone with CUDA_LAUNCH_BLOCKING=1, which names the failing line"
        )


_lock = threading.Lock()
_poison: Poison | None = None


def poison(cause: str) -> None:
    """Remember that CUDA is lost in this process; the first cause stays."""
    global _poison  # noqa: PLW0603 - the CUDA context belongs to the process too
    with _lock:
        _poison = _poison or Poison(cause)


def blame(test: str) -> None:
    """Name the test, once."""
    global _poison  # noqa: PLW0603 - as above
    with _lock:
        if _poison is not None and not _poison.test:
            _poison = replace(_poison, test=test)


def poisoned() -> Poison | None:
    """Return what made CUDA unusable in this process, or None."""
    return _poison


def keep_for_ever(held: object) -> None:
    """Let nothing free `held` in this process, not even the end of the interpreter.

    On a lost device an event that cannot be recorded in the destructor of page-locked memory ends the
    process (pytorch#178154).
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(held))
