"""Discrete-event simulation of a plan: stages in line, workers, bounded queues, shared cores.

Model. The source is always ready. A free worker takes the oldest item of its stage's queue, serves
it, and hands it to the next stage: to an idle worker there, else into the queue, else the worker
waits with the item in its hands (blocking after service). Hand-overs cost nothing and are first
come first served; items may overtake each other where a stage has several workers.

Services share cores and the GIL as `stats.sharing` says: `cpu_share` of a service stretches while
cores are short, `lock_share` of it while others hold the lock.
Source: tandem queues with blocking after service, Altiok 1997.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count

from pytest_pipeline.stats.sharing import SharedCores


@dataclass(frozen=True, slots=True)
class Flow:
    """What the simulated plan did; per-stage times are summed over the stage's workers.

    busy + blocked + starved = workers x makespan holds for every stage.
    """

    makespan_s: float
    """Seconds from the start to the last item's end of its last stage; 0 without items."""

    busy_s: tuple[float, ...]
    """Seconds in service, per stage; longer than the given service times where cores were short."""

    blocked_s: tuple[float, ...]
    """Seconds holding a finished item that the next stage could not take, per stage."""

    starved_s: tuple[float, ...]
    """Seconds without an item, per stage; includes filling and draining the line."""

    finished_s: tuple[float, ...]
    """Seconds from the start to the end of each item, in input order."""


def simulate(
    service_s: Iterable[Iterable[float]],
    workers: Sequence[int],
    queue_sizes: Sequence[float],
    *,
    cores: float | None = None,
    cpu_share: Sequence[float] | None = None,
    lock_share: Sequence[float] | None = None,
    in_flight: int | None = None,
) -> Flow:
    """Simulate one execution of a plan and return its `Flow`.

    `service_s` has a row per item and a column per stage, in seconds. `workers` and `queue_sizes`
    have one entry per stage: workers >= 1, and how many items may wait before the stage, 0 (hand
    over only to an idle worker) to `math.inf`. The first queue is fed by a source that is always
    ready, so its size changes nothing. `in_flight` bounds the items admitted and not yet finished.
    `cores` and `cpu_share` (default: every stage all CPU) bound the CPU work done at once; without
    `cores` it is unbounded. `lock_share` is the share of a service that only one worker of the whole
    plan can be in (the GIL), at most its `cpu_share`; default 0. Raises `ValueError` for negative, infinite or NaN times and for
    mismatched lengths.
    """
    rows = [[float(value) for value in row] for row in service_s]
    _check(rows, workers, queue_sizes, in_flight)
    stations = [_Station(w, q) for w, q in zip(workers, queue_sizes, strict=True)]
    shared = _checked_shares(cores, cpu_share, lock_share, len(stations))
    line = _Line(rows, stations, in_flight=in_flight or len(rows))
    line.run(shared)
    return Flow(
        makespan_s=line.now,
        busy_s=tuple(station.busy_s for station in stations),
        blocked_s=tuple(station.blocked_s for station in stations),
        starved_s=tuple(station.starved_s for station in stations),
        finished_s=tuple(line.finished_s),
    )


def closed_form_speedup(sums: Sequence[float], n: int) -> float:
    """Return the speedup over a serial loop of one worker per stage with constant times, n items.

    n x sum / (sum + (n - 1) x max), where `sums` are the stages' times in any one unit: per item,
    or summed over all items. It tends to sum / max. Raises `ValueError` for n < 1 or all-zero
    times.
    """
    if n < 1 or not sums or min(sums) < 0 or sum(sums) <= 0:
        raise ValueError(f"n={n!r}, sums={sums!r}: need at least one item and some service time")
    total = math.fsum(sums)
    return n * total / (total + (n - 1) * max(sums))


@dataclass(slots=True)
class _Station:
    """One stage: its queue, its services in progress, and its account of time."""

    workers: int
    queue_size: float
    queue: deque[int] = field(default_factory=deque)
    serving: list[tuple[float, int, int]] = field(default_factory=list)
    """Heap of (end on the station's own clock, order of start, item)."""
    holding: deque[int] = field(default_factory=deque)
    """Items that were served and wait, each in its worker's hands, for room in the next stage."""
    clock: float = 0.0
    """Service seconds passed, at the stage's own speed: a change of speed moves no heap entry."""
    busy_s: float = 0.0
    blocked_s: float = 0.0
    starved_s: float = 0.0

    def free(self) -> int:
        return self.workers - len(self.serving) - len(self.holding)

    def has_room(self) -> bool:
        return self.free() > 0 or len(self.queue) < self.queue_size

    def pass_time(self, seconds: float, speed: float) -> None:
        self.clock += seconds * speed
        self.busy_s += seconds * len(self.serving)
        self.blocked_s += seconds * len(self.holding)
        self.starved_s += seconds * self.free()


class _Line:
    """The stages in a row, and the moves of items between them."""

    def __init__(
        self, rows: list[list[float]], stations: list[_Station], *, in_flight: int
    ) -> None:
        self.now = 0.0
        self.finished_s = [0.0] * len(rows)
        self._rows = rows
        self._stations = stations
        self._in_flight = in_flight
        self._admitted = self._finished = 0
        self._order = count()

    def run(self, shared: SharedCores | None) -> None:
        """Run until the last item has left."""
        full = [1.0] * len(self._stations)
        self._settle()
        while self._finished < len(self._rows):
            active = tuple(len(station.serving) for station in self._stations)
            self._advance(full if shared is None else shared.speeds(active))
            self._settle()

    def _advance(self, speeds: Sequence[float]) -> None:
        """Pass time until the next service ends, and end it."""
        step, number = min(
            ((station.serving[0][0] - station.clock) / speeds[number], number)
            for number, station in enumerate(self._stations)
            if station.serving
        )
        step = max(step, 0.0)
        self.now += step
        for station, speed in zip(self._stations, speeds, strict=True):
            station.pass_time(step, speed)
        station = self._stations[number]
        station.holding.append(heappop(station.serving)[2])

    def _settle(self) -> None:
        """Make every move that is possible now, from the last stage to the source."""
        for number in range(len(self._stations) - 1, -1, -1):
            station = self._stations[number]
            while station.holding and self._can_leave(number):
                self._hand_over(station.holding.popleft(), number + 1)
            while station.queue and station.free():
                self._start(station.queue.popleft(), number)
        while self._admitted < len(self._rows) and self._can_admit():
            self._admitted += 1
            self._hand_over(self._admitted - 1, 0)

    def _can_leave(self, number: int) -> bool:
        return number + 1 == len(self._stations) or self._stations[number + 1].has_room()

    def _can_admit(self) -> bool:
        bounded = self._admitted - self._finished < self._in_flight
        return bounded and self._stations[0].has_room()

    def _hand_over(self, item: int, number: int) -> None:
        if number == len(self._stations):
            self.finished_s[item] = self.now
            self._finished += 1
        elif self._stations[number].free():
            self._start(item, number)
        else:
            self._stations[number].queue.append(item)

    def _start(self, item: int, number: int) -> None:
        station = self._stations[number]
        end = station.clock + self._rows[item][number]
        heappush(station.serving, (end, next(self._order), item))


def _check(
    rows: list[list[float]],
    workers: Sequence[int],
    queue_sizes: Sequence[float],
    in_flight: int | None,
) -> None:
    stages = len(workers)
    if not stages or len(queue_sizes) != stages or any(len(row) != stages for row in rows):
        raise ValueError(
            "service_s, workers and queue_sizes need one entry per stage, at least one"
        )
    if min(workers) < 1:
        raise ValueError(f"workers={list(workers)!r}: every stage needs at least one")
    if not all(size >= 0 for size in queue_sizes):
        raise ValueError(f"queue_sizes={list(queue_sizes)!r}: none may be below 0")
    if in_flight is not None and in_flight < 1:
        raise ValueError(f"in_flight={in_flight!r} is below 1")
    if not all(0 <= value < math.inf for row in rows for value in row):
        raise ValueError("service_s holds a time that is negative, infinite or NaN")


def _checked_shares(
    cores: float | None,
    cpu_share: Sequence[float] | None,
    lock_share: Sequence[float] | None,
    stages: int,
) -> SharedCores | None:
    """Return what the services share, or None when nothing is scarce."""
    if cores is not None and not cores > 0:
        raise ValueError(f"cores={cores!r} is not above 0")
    cpu = [1.0] * stages if cpu_share is None else cpu_share
    lock = [0.0] * stages if lock_share is None else lock_share
    for what, shares in (("cpu_share", cpu), ("lock_share", lock)):
        if len(shares) != stages or not all(0 <= share <= 1 for share in shares):
            raise ValueError(f"{what}={shares!r}: need one share in [0, 1] per stage")
    if any(g > c for g, c in zip(lock, cpu, strict=True)):
        raise ValueError(f"lock_share={lock!r} exceeds cpu_share={cpu!r}")
    if cores is None and not any(lock):
        return None
    return SharedCores(math.inf if cores is None else cores, cpu, lock)
