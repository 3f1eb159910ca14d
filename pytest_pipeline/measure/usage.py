"""Who used the machine between two moments: evidence for messages, and the in-arm signal of long arms."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pytest_pipeline.measure.machine import Machine
from pytest_pipeline.measure.system.pressure import evidence_between, foreign_wait_s
from pytest_pipeline.model.evidence import Evidence
from pytest_pipeline.model.trace import Trace
from pytest_pipeline.model.units import show_share

FOREIGN_SHARE = 0.05
"""Share of the usable cores that others may use, or keep us waiting for, during a long arm (A9.2)."""

MOST_OTHERS = 0.1
"""Cores that others may use while we still say that nobody took one: what the 5 % are of two cores."""

COMPANY = 0.5
"""Cores of others with which asking the control kernel again can only show that they are there."""

LEAST_SECONDS = 0.25
"""Time from which counters in ticks of 10 ms tell a tenth of a core from none."""

LEAST_COUNTED = 0.8
"""Share of our own CPU time that the machine's counters must show, or they count something else."""

DEVICE = "device slowed down"
"""What a disturbance begins with when heat or the power supply held a device's clocks down."""


class UsageWatch:
    """Reads the counters when it is made and again at `stop`; the rest speaks about the time between."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._cores = max(1, machine.environment().cores_usable)
        self._before = machine.usage()
        self._began_ns = machine.clock.now_ns()
        self._after = self._before
        self.seconds = 0.0

    def stop(self) -> None:
        """Take the second reading."""
        self._after = self._machine.usage()
        self.seconds = (self._machine.clock.now_ns() - self._began_ns) / 1e9

    @property
    def evidence(self) -> Evidence:
        """What the operating system saw."""
        return evidence_between(
            self._before.counters, self._after.counters, self.seconds, self._cores
        )

    @property
    def was_throttled(self) -> bool:
        """Whether the CPU quota stopped us."""
        return self._after.throttled > self._before.throttled

    @property
    def own_cpu_s(self) -> float:
        """CPU seconds that this process and its children used."""
        return self._after.own_cpu_s - self._before.own_cpu_s

    @property
    def foreign_cpu_s(self) -> float | None:
        """CPU seconds that others used, steal included; None where unreadable."""
        if self._before.machine_cpu_s is None or self._after.machine_cpu_s is None:
            return None
        everybody = self._after.machine_cpu_s - self._before.machine_cpu_s
        return everybody - self.own_cpu_s

    @property
    def intrusion(self) -> str:
        """How others took more than 5 % of the usable cores, or an empty string.

        In a container the counters of the machine may hide who did it; there the run-queue wait of
        our own threads counts too, net of our own oversubscription (A9.2).
        """
        available_s = max(1e-9, self._cores * self.seconds)
        share = max(0.0, self.foreign_cpu_s or 0.0) / available_s
        if share > FOREIGN_SHARE:
            return f"foreign CPU use: {show_share(share)} of the usable cores during an arm"
        if not self._after.in_container:
            return ""
        waited = foreign_wait_s(self._before.counters, self._after.counters, available_s)
        if waited / available_s > FOREIGN_SHARE:
            return (
                f"run-queue wait: {show_share(waited / available_s)} of the usable cores during an arm, "
                "more than our own threads explain"
            )
        return ""

    @property
    def was_alone(self) -> bool:
        """Whether others used less than a tenth of one core; False where that cannot be told."""
        others_s = self.others_s
        return (
            others_s is not None
            and self.seconds >= LEAST_SECONDS
            and others_s <= MOST_OTHERS * self.seconds
        )

    @property
    def had_company(self) -> bool:
        """Whether others kept half a core or more; False where that cannot be told."""
        return (self.others_s or 0.0) >= COMPANY * max(LEAST_SECONDS, self.seconds)

    @property
    def others_s(self) -> float | None:
        """CPU seconds of everybody else, steal included; None where the counters may hide some.

        So are child processes that are no workers: a server that a test started keeps a core busy like any neighbour.
        """
        before, after = self._before, self._after
        if not after.sees_others or before.machine_cpu_s is None or after.machine_cpu_s is None:
            return None
        everybody_s = after.machine_cpu_s - before.machine_cpu_s
        workers_s = after.workers_cpu_s - before.workers_cpu_s
        own_s = self.own_cpu_s - (after.children_cpu_s - before.children_cpu_s) + workers_s
        return everybody_s - own_s if everybody_s >= LEAST_COUNTED * own_s else None


def slowed_devices(traces: Iterable[Trace]) -> Iterator[str]:
    """Yield which devices these executions left with clocks held down, and by what; no power cap is told."""
    for run in (run for trace in traces for run in trace.devices):
        if run.readings.slowdowns:
            yield f"{DEVICE}: {run.device}, {' and '.join(run.readings.slowdowns)}"
