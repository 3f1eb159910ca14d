"""The machine as the measurement sees it: time, control kernels, disturbance counters, cores.

Everything that is not the user's code goes through this Protocol, so that tests replace the whole
machine by a fake one and need neither time nor quiet.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from pytest_pipeline.clock import Clock, MonotonicClock
from pytest_pipeline.errors import UsageError
from pytest_pipeline.executors.protocol import Executor
from pytest_pipeline.measure.control import (
    ControlMonitor,
    ExecutorControl,
    calibrate_loops,
    control_workers,
)
from pytest_pipeline.measure.system import host
from pytest_pipeline.measure.system.footprint import Footprint
from pytest_pipeline.measure.system.gauges import SystemGauges
from pytest_pipeline.measure.system.gil import observed_shares
from pytest_pipeline.measure.system.heap import returning_heap
from pytest_pipeline.measure.system.heartbeat import Heartbeat, start_heartbeat
from pytest_pipeline.measure.system.load import IdleLoad
from pytest_pipeline.measure.system.pressure import Counters, read_counters, throttling
from pytest_pipeline.measure.system.profiling import Profiling, ResourceMeter
from pytest_pipeline.measure.system.sampler import Meter, Sampling
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
    waited_s: float = 0.0
    """Seconds that the threads of this process were ready to run and had no core so far; 0 where unreadable."""
    counters: Counters = field(default_factory=Counters)
    """What else the kernel counts: waits, steal, throttled time, pressure."""
    in_container: bool = False
    """Whether the machine's counters may hide who takes our cores (A9.2)."""
    children_cpu_s: float = 0.0
    """The part of `own_cpu_s` that its children used, living and ended."""
    workers_cpu_s: float = 0.0
    """The part of `children_cpu_s` that the arms' living worker processes used."""
    sees_others: bool = False
    """Whether `machine_cpu_s` shows everybody who takes our cores: a hypervisor or container may hide some."""


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

    def heartbeat(self, threshold_s: float) -> Heartbeat | None:
        """Start a heartbeat that notes gaps longer than `threshold_s`; None where it means nothing."""
        ...

    def environment(self) -> Environment:
        """Describe machine and interpreter."""
        ...

    def memory_meter(self) -> AbstractContextManager[Meter]:
        """Return what samples the memory of the process tree; the heap gives memory back while inside."""
        ...

    def gil_shares(
        self, execute: Callable[[], Trace], makespan_s: float
    ) -> Mapping[str, float] | None:
        """Return the share of each stage's service with the GIL held, as far as observed; None without a GIL.

        `execute` runs the baseline once, `makespan_s` is what that takes; it may be called several times, or never.
        """
        ...

    def draw_seed(self) -> int:
        """Return a seed for the order of the arms: another one for every comparison."""
        ...

    def resource_meter(self) -> ResourceMeter:
        """Return what samples cores and memory of the process tree during one execution."""
        ...


def require_real_clock() -> None:
    """Raise `UsageError` where a test has put another clock in the place of the one that executors read."""
    if MonotonicClock().is_replaced:
        raise UsageError(
            "time.perf_counter_ns is replaced in this test (by freezegun?): nothing can be timed with it; "
            "next: put the real clock back around pipeline.run"
        )


class RealMachine:
    """The machine we run on. Control kernels are opened once per executor kind and width, and kept.

    `wide` makes an executor of any width, for a kernel wider than the executor that is measured.
    """

    def __init__(self, serial: Callable[[], Executor], wide: Callable[[], Executor]) -> None:
        self._serial = serial
        self._wide = wide
        self._clock = MonotonicClock()
        self._loops = 0
        self._in_container = host.in_container()
        self._sees_others = host.sees_others()
        self._environment: Environment | None = None
        self._monitors: dict[tuple[str, int], ControlMonitor] = {}

    @property
    def clock(self) -> Clock:
        """The monotonic clock."""
        return self._clock

    def monitor(self, executor: Executor, width: int) -> ControlMonitor:
        """Return the session's control monitor for this executor kind and width."""
        key = (getattr(executor, "kind", executor.name), width)
        if key not in self._monitors:
            self._loops = self._loops or calibrate_loops()
            parallel = executor if control_workers(executor, width) >= width else self._wide()
            control = ExecutorControl(parallel, self._serial(), width, self._loops)
            self._monitors[key] = ControlMonitor(control, executor.name, IdleLoad())
        return self._monitors[key]

    def usage(self) -> Usage:
        """Read the counters now."""
        children_cpu_s = host.children_cpu_s()
        return Usage(
            own_cpu_s=host.own_cpu_s() + children_cpu_s,
            machine_cpu_s=host.machine_cpu_s(),
            throttled=throttling()[0],
            waited_s=host.waited_s(),
            counters=read_counters(),
            in_container=self._in_container,
            children_cpu_s=children_cpu_s,
            workers_cpu_s=host.workers_cpu_s(),
            sees_others=self._sees_others,
        )

    def heartbeat(self, threshold_s: float) -> Heartbeat | None:
        """Start a heartbeat process; None on platforms whose clock processes do not share."""
        return start_heartbeat(threshold_s)

    def environment(self) -> Environment:
        """Describe machine and interpreter."""
        self._environment = self._environment or host.describe()
        return self._environment

    @contextlib.contextmanager
    def memory_meter(self) -> Iterator[Meter]:
        """Yield a sampler of this process and its descendants."""
        with returning_heap():
            yield Sampling(Footprint(), self._clock)

    def gil_shares(
        self, execute: Callable[[], Trace], makespan_s: float
    ) -> Mapping[str, float] | None:
        """Probe the GIL during a few executions."""
        return observed_shares(execute, makespan_s) if self.environment().gil else None

    def draw_seed(self) -> int:
        """Draw 32 bits from the operating system."""
        return secrets.randbits(32)

    def resource_meter(self) -> ResourceMeter:
        """Return a sampler of this process, its descendants and the cores."""
        return Profiling(SystemGauges(), self._clock)

    def close(self) -> None:
        """End the workers of all control kernels."""
        for monitor in self._monitors.values():
            monitor.control.close()
        self._monitors.clear()
