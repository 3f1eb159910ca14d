"""The machine as the measurement sees it: time, control kernels, disturbance counters, cores.

Everything that is not the user's code goes through this Protocol, so that tests replace the whole
machine by a fake one and need neither time nor quiet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from pytest_pipeline.clock import Clock, MonotonicClock
from pytest_pipeline.executors.protocol import Executor
from pytest_pipeline.measure import host
from pytest_pipeline.measure.control import ControlMonitor, ExecutorControl, calibrate_loops
from pytest_pipeline.measure.gil import observed_shares
from pytest_pipeline.model.environment import Environment
from pytest_pipeline.model.trace import Trace


@dataclass(frozen=True, slots=True)
class Usage:
    """Counters of CPU use at one moment; differences of two of them say who used the machine."""

    own_cpu_s: float
    """CPU seconds of this process and its children so far."""
    machine_cpu_s: float | None
    """CPU seconds that all processes used so far, steal included; None where unreadable."""
    throttled: int
    """Times the cgroup quota throttled us so far (`nr_throttled`)."""


class Machine(Protocol):
    """What the measurement may ask of the world."""

    @property
    def clock(self) -> Clock:
        """The time."""
        ...

    def monitor(self, executor: Executor, width: int) -> ControlMonitor:
        """Return the control monitor for this executor kind and width; cached for the session."""
        ...

    def usage(self) -> Usage:
        """Read the counters now."""
        ...

    def environment(self) -> Environment:
        """Describe machine and interpreter."""
        ...

    def gil_shares(
        self, execute: Callable[[], Trace], makespan_s: float
    ) -> Mapping[str, float] | None:
        """Return the share of each stage's service with the GIL held, as far as observed; None without a GIL.

        `execute` runs the baseline once, `makespan_s` is what that takes; it may be called several times, or never.
        """
        ...


class RealMachine:
    """The machine we run on. Control kernels are opened once per executor kind and width, and kept."""

    def __init__(self, serial: Callable[[], Executor]) -> None:
        self._serial = serial
        self._clock = MonotonicClock()
        self._loops = 0
        self._environment: Environment | None = None
        self._monitors: dict[tuple[str, int], ControlMonitor] = {}

    @property
    def clock(self) -> Clock:
        """The monotonic clock."""
        return self._clock

    def monitor(self, executor: Executor, width: int) -> ControlMonitor:
        """Return the session's control monitor for this executor kind and width."""
        key = (executor.name, width)
        if key not in self._monitors:
            self._loops = self._loops or calibrate_loops()
            control = ExecutorControl(executor, self._serial(), width, self._loops)
            self._monitors[key] = ControlMonitor(control, executor.name)
        return self._monitors[key]

    def usage(self) -> Usage:
        """Read the counters now."""
        return Usage(host.own_cpu_s(), host.machine_cpu_s(), host.throttled_count())

    def environment(self) -> Environment:
        """Describe machine and interpreter."""
        self._environment = self._environment or host.describe()
        return self._environment

    def gil_shares(
        self, execute: Callable[[], Trace], makespan_s: float
    ) -> Mapping[str, float] | None:
        """Probe the GIL during a few executions."""
        return observed_shares(execute, makespan_s) if self.environment().gil else None

    def close(self) -> None:
        """End the workers of all control kernels."""
        for monitor in self._monitors.values():
            monitor.control.close()
        self._monitors.clear()
