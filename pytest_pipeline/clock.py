"""The one source of time: a Protocol, the real clock, and a fake one for deterministic tests.

Every reading comes from `CLOCK_MONOTONIC` (`perf_counter_ns` on Linux), which all processes of
one host share, so that stamps taken in a worker process may be subtracted from the parent's.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Reads and spends time. Measurement code never calls `time` directly."""

    def now_ns(self) -> int:
        """Return the monotonic time in nanoseconds."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass without using a core."""
        ...


class MonotonicClock:
    """The machine's monotonic clock, whatever a test has put in the place of `time.sleep` meanwhile."""

    _now_ns = staticmethod(time.perf_counter_ns)
    _sleep = staticmethod(time.sleep)

    @property
    def is_replaced(self) -> bool:
        """Whether a test has replaced the clock itself, as freezegun does: executors read it too."""
        return time.perf_counter_ns is not self._now_ns

    def now_ns(self) -> int:
        """Return the monotonic time in nanoseconds."""
        return self._now_ns()

    def sleep(self, seconds: float) -> None:
        """Sleep for real."""
        self._sleep(seconds)


class FakeClock:
    """A clock that moves only when told to: sleeping returns at once and advances it."""

    def __init__(self, start_ns: int = 0) -> None:
        self._now_ns = start_ns

    def now_ns(self) -> int:
        """Return the pretended time in nanoseconds."""
        return self._now_ns

    def sleep(self, seconds: float) -> None:
        """Advance by `seconds`."""
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Move the clock forward; scripted executors call it with their makespan."""
        self._now_ns += round(seconds * 1e9)
