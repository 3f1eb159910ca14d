"""What the operating system knows about this process, its descendants and the cores, read in a fraction of a millisecond."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import psutil

from pytest_pipeline.measure.system import host
from pytest_pipeline.measure.system.footprint import descendants, resident_bytes

_WORK = ("user", "nice", "system", "irq", "softirq", "steal", "interrupt", "dpc")
"""Fields of `psutil.cpu_times` that are work; guest time is part of user, the rest is idle."""

_SWITCHES = re.compile(rb"^(non)?voluntary_ctxt_switches:\s*(\d+)$", re.MULTILINE)


class Gauges(Protocol):
    """Readings of this moment; counters only grow, but for descendants that end."""

    def memory(self) -> tuple[int, Mapping[int, int]]:
        """Return the resident bytes of this process, and of each of its descendants by process id."""
        ...

    def alive(self) -> frozenset[int]:
        """Return the process ids of all living descendants."""
        ...

    def core_seconds(self) -> Mapping[int, float]:
        """Return the busy seconds so far of each core that we may use, by its number."""
        ...

    def cpu_s(self) -> float:
        """Return the CPU seconds so far of this process and its descendants."""
        ...

    def switches(self) -> tuple[int, int] | None:
        """Return the voluntary and involuntary context switches so far; None where unreadable."""
        ...


class SystemGauges:
    """The gauges of the machine we run on; what a sandbox hides is 0 or missing, never an error."""

    def memory(self) -> tuple[int, Mapping[int, int]]:
        """Return the resident bytes of this process, and of each of its descendants that lives."""
        own, children = 0, {}
        with contextlib.suppress(OSError):
            own = resident_bytes(os.getpid())
        for process in descendants(os.getpid()):
            with contextlib.suppress(OSError):
                children[process] = resident_bytes(process)
        return own, children

    def alive(self) -> frozenset[int]:
        """Return the process ids of all living descendants."""
        return frozenset(descendants(os.getpid()))

    def core_seconds(self) -> Mapping[int, float]:
        """Return the busy seconds so far of each core that we may use, whoever used it."""
        try:
            counted = psutil.cpu_times(percpu=True)
        except (OSError, ValueError, RuntimeError, psutil.Error):
            return {}
        usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
        return {
            core: sum(getattr(times, field, 0.0) for field in _WORK)
            for core, times in enumerate(counted)
            if usable is None or core in usable
        }

    def cpu_s(self) -> float:
        """Return the CPU seconds so far of this process and its descendants."""
        return host.own_cpu_s() + host.children_cpu_s()

    def switches(self) -> tuple[int, int] | None:
        """Return the switches of all living threads; Linux only, elsewhere workers' cannot be read."""
        voluntary = involuntary = 0
        if not Path("/proc/self/task").exists():
            return None
        for process in (os.getpid(), *descendants(os.getpid())):
            for path in Path(f"/proc/{process}/task").glob("*/status"):
                for lost, number in _SWITCHES.findall(_read(path)):
                    involuntary += int(number) if lost else 0
                    voluntary += 0 if lost else int(number)
        return voluntary, involuntary


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # the thread has ended
        return b""
