"""One execution with a thread beside it that samples memory and cores: bounded, and never a timed one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Generic, Protocol, TypeVar

from pytest_pipeline.clock import Clock
from pytest_pipeline.measure.system.gauges import Gauges
from pytest_pipeline.measure.system.sampler import JOIN_S, PERIOD_S, Sampler, StopToken
from pytest_pipeline.model.resources import CoreUse, Resources

MOST_SAMPLES = 60
"""Samples that are kept of one execution: more than a chart of this width shows."""

LEAST_SPAN_S = 0.1
"""Seconds over which the use of a core is counted at least: the kernel counts ticks of 10 ms."""

T = TypeVar("T")
Row = TypeVar("Row")

_Memory = tuple[float, int, Mapping[int, int]]
"""Seconds since the beginning, own bytes, bytes of each child by process id."""


class ResourceMeter(Protocol):
    """Runs something and says what it used of the machine."""

    def __call__(
        self, execute: Callable[[], T], expected_s: float, /
    ) -> tuple[T, Callable[[], Resources]]:
        """Return what `execute` returns, which takes about `expected_s` seconds, and a way to ask what it used.

        Ask once its workers are gone: only children that have gone by then were its own, others are
        those of other arms, of the control kernels or of the test.
        """
        ...


class Thinned(Generic[Row]):
    """Rows evenly over time, at most `most`: when full, every second one goes and from then on is not kept."""

    def __init__(self, most: int) -> None:
        self.rows: list[Row] = []
        self._most = most
        self._seen = 0
        self._stride = 1

    def add(self, row: Row) -> None:
        """Keep `row`, unless it falls between two that are kept."""
        if self._seen % self._stride == 0:
            self.rows.append(row)
        self._seen += 1
        if len(self.rows) > self._most:
            del self.rows[1::2]
            self._stride *= 2


class _Readings:
    """What has been read so far; `take` is what the sampler calls, `end` closes it."""

    def __init__(self, gauges: Gauges, clock: Clock, expected_s: float) -> None:
        self._gauges = gauges
        self._clock = clock
        self._span_s = max(LEAST_SPAN_S, expected_s / MOST_SAMPLES)
        self.memory = Thinned[_Memory](MOST_SAMPLES)
        self.cores = Thinned[tuple[float, Mapping[int, float]]](MOST_SAMPLES)
        self._began_ns = clock.now_ns()
        self._cores_at_s = 0.0
        self._cpu_s, self._switches = gauges.cpu_s(), gauges.switches()
        self.take(cores=True)

    def now_s(self) -> float:
        """Return the seconds since the first reading."""
        return (self._clock.now_ns() - self._began_ns) / 1e9

    def take(self, *, cores: bool = False) -> int:
        """Read memory, and the cores when `cores` or when the last time was long enough ago."""
        now_s = self.now_s()
        own, children = self._gauges.memory()
        self.memory.add((now_s, own, children))
        if cores or now_s - self._cores_at_s >= self._span_s:
            self.cores.add((now_s, self._gauges.core_seconds()))
            self._cores_at_s = now_s
        return own + sum(children.values())

    def end(self, seconds: float) -> Callable[[], Resources]:
        """Read everything once more and return a way to ask what was used in `seconds`."""
        now_s = self.now_s()  # the last sample may have come after the execution
        memory = [*self.memory.rows, (now_s, *self._gauges.memory())]
        until_s, cores = _core_use([*self.cores.rows, (now_s, self._gauges.core_seconds())])
        voluntary, involuntary = _grown(self._switches, self._gauges.switches())
        used = Resources(
            seconds=seconds,
            at_s=tuple(round(at_s, 4) for at_s, _, _ in memory),
            own_bytes=tuple(own for _, own, _ in memory),
            until_s=until_s,
            cores=cores,
            cpu_s=round(max(0.0, self._gauges.cpu_s() - self._cpu_s), 4),
            voluntary_switches=voluntary,
            involuntary_switches=involuntary,
        )
        return lambda: replace(used, children_bytes=_gone(memory, self._gauges.alive()))


class Profiling:
    """Samples gauges in a thread of its own while something runs."""

    def __init__(self, gauges: Gauges, clock: Clock) -> None:
        self._gauges = gauges
        self._clock = clock

    def __call__(
        self, execute: Callable[[], T], expected_s: float, /
    ) -> tuple[T, Callable[[], Resources]]:
        """Return what `execute` returns, and a way to ask what it used once its workers are gone."""
        token = StopToken()
        readings = _Readings(self._gauges, self._clock, expected_s)
        period_s = max(PERIOD_S, expected_s / MOST_SAMPLES)
        sampler = Sampler(readings.take, token.stopped_within, self._clock, period_s)
        thread = threading.Thread(target=sampler, name="pipeline-resources", daemon=True)
        thread.start()
        try:
            result = execute()
            seconds = readings.now_s()
        finally:
            token.stop()
            thread.join(JOIN_S)
        return result, readings.end(seconds)


def _gone(memory: Sequence[_Memory], alive: frozenset[int]) -> tuple[int, ...]:
    """Return the bytes of those children that live no more, sample by sample."""
    return tuple(
        sum(size for process, size in children.items() if process not in alive)
        for _, _, children in memory
    )


def _core_use(
    readings: Sequence[tuple[float, Mapping[int, float]]],
) -> tuple[tuple[float, ...], tuple[CoreUse, ...]]:
    """Return where the spans end, and each core's busy share in them; a short last span joins the one before."""
    kept = list(readings)
    while len(kept) > 2 and kept[-1][0] - kept[-2][0] < LEAST_SPAN_S:
        del kept[-2]
    spans = [(before, after) for before, after in pairwise(kept) if after[0] > before[0]]
    cores = tuple(
        CoreUse(core, tuple(_share(core, before, after) for before, after in spans))
        for core in sorted(kept[0][1])
    )
    return tuple(round(after[0], 4) for _, after in spans), cores if spans else ()


def _share(
    core: int, before: tuple[float, Mapping[int, float]], after: tuple[float, Mapping[int, float]]
) -> float:
    grown = after[1].get(core, 0.0) - before[1].get(core, 0.0)
    return round(min(1.0, max(0.0, grown / (after[0] - before[0]))), 3)


def _grown(
    before: tuple[int, int] | None, after: tuple[int, int] | None
) -> tuple[int, int] | tuple[None, None]:
    """Return both increases, at least 0: a worker that ended takes its counters with it."""
    if before is None or after is None:
        return None, None
    return max(0, after[0] - before[0]), max(0, after[1] - before[1])
