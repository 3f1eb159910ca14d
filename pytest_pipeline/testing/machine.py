"""A machine on virtual time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TypeVar

from pytest_pipeline.clock import FakeClock
from pytest_pipeline.executors.protocol import Executor
from pytest_pipeline.measure.control import ControlMonitor
from pytest_pipeline.measure.machine import Usage
from pytest_pipeline.measure.system.load import Load
from pytest_pipeline.measure.system.profiling import ResourceMeter
from pytest_pipeline.measure.system.sampler import Meter
from pytest_pipeline.model.environment import Environment
from pytest_pipeline.model.memory import MemoryReading
from pytest_pipeline.model.resources import CoreUse, Resources
from pytest_pipeline.model.rounds import KERNEL_S
from pytest_pipeline.model.trace import Trace
from pytest_pipeline.testing.instruments import FakeControl, FakeHeartbeat, FakeLoad

AT_REST_BYTES = 50_000_000
"""Memory that the pretended process holds without stages."""

T = TypeVar("T")


class FakeMachine:
    """A machine whose time is virtual and whose neighbours are scripted.

    Moments and spans are virtual seconds. `neighbour(now_s)` returns the factor by which the parallel control is slowed at that moment
    (1 = idle), `crowd(now_s)` the one for every control, as when all the cores are shared; `cores`
    is what the control kernel shows as its own parallel speedup, `waiting` the share (0-1) of the time in
    which the arms are ready and have no core. `usage(now_s)` returns the system's counters;
    `gaps(from_s, to_s)` returns the spans (start and end, seconds) in which a heartbeat would have
    found no core. `turbo` is how much faster a lone core runs; `load` replaces the spinners that tell
    that from a neighbour (by default they work). `gil_shares` is what the probe of the GIL would
    have seen, 0-1 per stage (None: an interpreter without a GIL). `seed` is the one of every comparison's
    order of arms, `quota` the CPU quota in cores.
    """

    def __init__(
        self,
        *,
        neighbour: Callable[[float], float] | None = None,
        crowd: Callable[[float], float] | None = None,
        cores: float = 2.0,
        waiting: float = 0.0,
        usage: Callable[[float], Usage] | None = None,
        gaps: Callable[[float, float], Sequence[tuple[float, float]]] | None = None,
        turbo: float = 1.0,
        load: Load | None = None,
        gil_shares: Mapping[str, float] | None = MappingProxyType({}),
        seed: int = 0,
        quota: float | None = None,
    ) -> None:
        self._clock = FakeClock()
        self._neighbour = neighbour or (lambda _: 1.0)
        self._crowd = crowd or (lambda _: 1.0)
        self._cores = cores
        self._usage = usage or self._waits(waiting)
        self._gaps = gaps
        self._turbo = turbo
        self._load = load or FakeLoad(self)
        self.is_loaded = False
        self._gil_shares = gil_shares
        self._monitors: dict[int, ControlMonitor] = {}
        self.worked_s = 0.0
        self.running = ""
        self._held = 0
        self._seed = seed
        self._quota = quota

    @property
    def clock(self) -> FakeClock:
        """The virtual time."""
        return self._clock

    def work(self, seconds: float) -> None:
        """Pretend that the calling stage takes so many `seconds`: for the functions that a virtual executor runs."""
        self.worked_s += seconds

    def monitor(self, executor: Executor, width: int) -> ControlMonitor:
        """Return the monitor of a scripted control kernel."""
        if width not in self._monitors:
            control = FakeControl(self, width)
            self._monitors[width] = ControlMonitor(control, executor.name, self._load)
        return self._monitors[width]

    def usage(self) -> Usage:
        """Report the scripted counters; by default an idle machine's, but for what the arms waited."""
        return self._usage(self._clock.now_ns() / 1e9)

    def _waits(self, share: float) -> Callable[[float], Usage]:
        return lambda now_s: Usage(
            own_cpu_s=0.0, machine_cpu_s=0.0, throttled=0, waited_s=share * now_s
        )

    def heartbeat(self, threshold_s: float) -> FakeHeartbeat | None:
        """Return a heartbeat with the scripted gaps; None when none are scripted."""
        if self._gaps is None:
            return None
        return FakeHeartbeat(self._clock, self._gaps, threshold_s, self._clock.now_ns())

    def hold(self, num_bytes: int) -> None:
        """Pretend that the calling stage holds so many bytes for a moment."""
        self._held = max(self._held, num_bytes)

    @contextlib.contextmanager
    def memory_meter(self) -> Iterator[Meter]:
        """Yield a meter that reads what stages say they hold."""
        yield self._memory_during

    def _memory_during(self, execute: Callable[[], T], /) -> tuple[T, MemoryReading]:
        """Return what `execute` returns, and the most that a stage held meanwhile."""
        self._held = 0
        result = execute()
        reading = MemoryReading(AT_REST_BYTES, AT_REST_BYTES + self._held, 10, 0.01, "PSS")
        return result, reading

    def environment(self) -> Environment:
        """Describe the pretended machine."""
        return Environment(
            cpu="virtual",
            cores_logical=2,
            cores_usable=2 if self._quota is None else max(1, min(2, int(self._quota))),
            cpu_quota=self._quota,
            memory_bytes=2**33,
            system="virtual",
            python="virtual",
            gil=self._gil_shares is not None,
            packages={},
            cores_allowed=2,
        )

    def gil_shares(
        self,
        execute: Callable[[], Trace],  # noqa: ARG002 - the contract asks for it
        makespan_s: float,  # noqa: ARG002 - the same
    ) -> Mapping[str, float] | None:
        """Return what was scripted, without executing anything."""
        return self._gil_shares

    def draw_seed(self) -> int:
        """Return the scripted seed."""
        return self._seed

    def resource_meter(self) -> ResourceMeter:
        """Return a meter that runs the execution and reports a machine at rest but for one busy core."""
        return self._resources_during

    def _resources_during(
        self, execute: Callable[[], T], expected_s: float, /
    ) -> tuple[T, Callable[[], Resources]]:
        result = execute()
        at_rest = Resources(
            seconds=expected_s,
            at_s=(0.0, expected_s),
            own_bytes=(AT_REST_BYTES, AT_REST_BYTES),
            children_bytes=(0, 0),
            until_s=(expected_s,),
            cores=(CoreUse(0, (1.0,)), CoreUse(1, (0.0,))),
            cpu_s=expected_s,
        )
        return result, lambda: at_rest

    def control_s(self, width: int, *, parallel: bool) -> float:
        """Return the pretended control time now, and let it pass."""
        speedup = min(float(width), self._cores)
        seconds = KERNEL_S * width / speedup if parallel else KERNEL_S * width
        seconds *= self._crowd(self._clock.now_ns() / 1e9)
        if parallel:
            seconds *= self._neighbour(self._clock.now_ns() / 1e9)
        elif not self.is_loaded:
            seconds /= self._turbo
        self._clock.advance(seconds)
        return seconds
