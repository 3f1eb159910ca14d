"""A heartbeat beside latency blocks tells when a process that wanted a core got none.

A process of its own stamps `CLOCK_MONOTONIC` every millisecond. An interval much longer than that
is a gap: somebody held every core, and an item in service then was late through no fault of its own
(project's study, A9.9). It has to be another process, since a thread would wait for the GIL instead.

Where it runs: Linux, whose `perf_counter` is `CLOCK_MONOTONIC` for all processes of a host. macOS and
Windows promise nothing about comparing it between processes; there is no heartbeat, and nothing
is excused. It costs 2.6 % of one core and 10 MB while it runs
(measured on a shared 2-core VM), and it runs during latency phases only.
"""

from __future__ import annotations

import sys
import time
from typing import Protocol

from pytest_pipeline.measure.system.helper import HelperProcess, start_helper

Gap = tuple[int, int]
"""Start and end of an interval without a beat, clock readings in nanoseconds."""

FINEST_S = 0.003
"""Shortest gap that means anything: idle machines wake a sleeper up to 2 ms late."""


class Heartbeat(Protocol):
    """Notes when a process that wanted a core got none."""

    def gaps(self) -> list[Gap]:
        """Return the gaps since the last call (or the start), in order."""
        ...

    def close(self) -> None:
        """End it; harmless when repeated."""
        ...


def start_heartbeat(threshold_s: float) -> HeartbeatProcess | None:
    """Start a heartbeat that notes gaps longer than `threshold_s` (at least `FINEST_S`).

    Returns None where the processes of a host do not share `perf_counter`, or when it cannot start.
    """
    if not has_shared_clock():
        return None
    helper = start_helper("_beat.py", str(round(max(FINEST_S, threshold_s) * 1e9)))
    return None if helper is None else HeartbeatProcess(helper)


def has_shared_clock() -> bool:
    """Whether `perf_counter` readings of two processes of this host may be compared."""
    if not sys.platform.startswith("linux"):
        return False
    return "CLOCK_MONOTONIC" in time.get_clock_info("perf_counter").implementation


class HeartbeatProcess:
    """The process. Whatever goes wrong with it, nothing is excused any more."""

    def __init__(self, helper: HelperProcess) -> None:
        self._helper = helper

    @property
    def pid(self) -> int:
        """Process id."""
        return self._helper.pid

    def gaps(self) -> list[Gap]:
        """Return the gaps since the last call."""
        self._helper.send(b"?\n")
        if not self._helper.is_alive:
            return []
        pairs = (text.split(b":") for text in self._helper.line().split())
        return [(int(began), int(ended)) for began, ended in pairs]

    def close(self) -> None:
        """End the process."""
        self._helper.close()
