"""Keep the other cores busy at idle priority, to tell a boosting machine from a busy one (A9.1).

A core runs faster while its neighbours sleep (turbo: 1.1 to 1.4x), and two hyperthreads share one
core: on such a machine the control kernel never reaches 0.85 of its width, as if somebody were there.
So a window that shows too little is asked again with the serial control timed while spinners of idle
priority (Linux SCHED_IDLE) hold the other cores: clock and hyperthreads are then alike on both sides.

It keeps A9.1's guarantee, because a neighbour on the same kernel takes its core from the spinners, never
from the serial control, while the parallel control has to share with it: the ratio stays as low as before. A
neighbour behind a hypervisor is different: it slows spinner, serial and parallel control alike. So
the second opinion counts on bare metal, and in a virtual machine only where the hypervisor is known to report steal
and reported next to none meanwhile; elsewhere the first opinion stands, and the message says so. And when
our own threads waited for a core meanwhile, somebody is there, whatever the ratio shows by luck.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from pytest_pipeline.measure.system.helper import HelperProcess, start_helper
from pytest_pipeline.measure.system.host import may_be_virtual
from pytest_pipeline.measure.system.pressure import Counters, evidence_between, read_counters
from pytest_pipeline.model.units import show_share

MOST_STEAL = 0.02
"""Share of the cores that the hypervisor may have given to others: a neighbour that matters takes 10 % and more."""

MOST_WAIT = 0.1
"""Share of the time that the control's threads may have waited for a core; beside one neighbour on two it is 0.3."""

_UNTELLABLE = "or boosts lone cores (turbo, hyperthreads), which cannot be told here: {}"


class Load(Protocol):
    """Spinners on the other cores, or the reason why they would prove nothing."""

    def start(self, spinners: int) -> str:
        """Start that many, at rest; return why a second opinion would prove nothing, or an empty string."""
        ...

    def spin(self) -> None:
        """Hold the cores that nobody else wants."""
        ...

    def rest(self) -> None:
        """Leave them."""
        ...

    def stop(self, core_seconds: float) -> str:
        """End the spinners; return why what was seen in these core-seconds proves nothing, or an empty string."""
        ...


class IdleLoad:
    """Real spinner processes. They live during one window only: 20 ms to start, nothing left behind."""

    def __init__(
        self, read: Callable[[], Counters] = read_counters, cpuinfo: str | None = None
    ) -> None:
        self._read = read
        self._cpuinfo = _read_cpuinfo() if cpuinfo is None else cpuinfo
        self._spinners: list[HelperProcess] = []
        self._before = Counters()

    @property
    def pids(self) -> list[int]:
        """Process ids of the spinners."""
        return [each.pid for each in self._spinners]

    def start(self, spinners: int) -> str:
        """Start the spinners where they prove something."""
        if not hasattr(os, "SCHED_IDLE"):
            return _UNTELLABLE.format("this system has no idle priority")
        if self._may_be_virtual and not self._read().steal_s:
            return _UNTELLABLE.format("its hypervisor reports no steal")
        for _ in range(spinners):
            spinner = start_helper("_spin.py")
            if spinner is None:
                self._end()
                return _UNTELLABLE.format("spinners of idle priority could not be started")
            self._spinners.append(spinner)
        self._before = self._read()
        return ""

    def spin(self) -> None:
        """Tell all the spinners to hold a core."""
        for each in self._spinners:
            each.send(b"+")

    def rest(self) -> None:
        """Tell all the spinners to leave."""
        for each in self._spinners:
            each.send(b"-")

    def stop(self, core_seconds: float) -> str:
        """End the spinners and look at the steal."""
        after = self._read()
        were_alive = all(each.is_alive for each in self._spinners)
        own = _without(after, self.pids)
        self._end()
        if not were_alive:
            return _UNTELLABLE.format("a spinner ended early")
        seen = evidence_between(self._before, own, max(1e-9, core_seconds), 1)
        stolen, waited = seen.steal_share or 0.0, seen.queue_share or 0.0
        if self._may_be_virtual and stolen > MOST_STEAL:
            return f"as its hypervisor took {show_share(stolen)} of the cores"
        if waited > MOST_WAIT:
            return f"as our threads waited {show_share(waited)} of the time for a core"
        return ""

    @property
    def _may_be_virtual(self) -> bool:
        return may_be_virtual(self._cpuinfo)

    def _end(self) -> None:
        for each in self._spinners:
            each.close()
        self._spinners = []


def _without(counters: Counters, pids: Sequence[int]) -> Counters:
    """Return the counters without the spinners, which wait for a core whenever somebody is there."""
    if counters.tasks is None:
        return counters
    tasks = {task: times for task, times in counters.tasks.items() if task not in pids}
    return replace(counters, tasks=tasks)


def _read_cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return ""
