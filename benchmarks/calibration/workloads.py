"""What is measured: a computing plan, a waiting one, a service; and the regressions planted in them."""

from __future__ import annotations

import contextlib
import random
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pytest_pipeline import Stage

ITEMS = 8
"""Items of one execution; every item is the same piece of work."""

WORKERS = 2
"""Workers of the computing plan."""

WAIT_ITEMS = 14
"""Items of the waiting plan."""

WAIT_WORKERS = 4
"""Workers of the waiting plan and of the service."""

SERVICE_S = 0.003
"""Service time of one request, seconds."""

LATE_S = 0.040
"""Service time of a late one, seconds."""

SERVICE_LIMIT_S = 0.020
"""What its p99 must not exceed, seconds."""

RATE_PER_S = 200.0
"""Arrivals of the service: 15 % of what its workers can do, so that a late item delays no other."""

SLOWDOWN = 1.25
"""Of an item's time, not of its work: part of a parallel execution, such as waking the cores, does not grow with the work."""
SLOW_MODE = 1.25 / 0.6
"""Slow executions run at 0.6x of a limit that the healthy ones reach 1.25x of."""
SLOW_SHARE = 0.6
LOCKED_SHARE = 2 / 3
REGRESSIONS = (
    "one worker instead of two",
    "lock around two thirds",
    "1.25x slower",
    "slow in 60 % of executions",
)

clock = time.perf_counter

_BLOCK = bytes((i * i * 31 + i // 7) & 0xFF for i in range(8_000))
_BASELINE_THREADS = {"MainThread", "pipeline-serial"}


def compress(loops: int) -> int:
    """Compress a fixed block `loops` times; zlib works without the GIL."""
    return sum(len(zlib.compress(_BLOCK, 6)) for _ in range(loops))


def loops_per_second() -> float:
    """Return how many blocks one core compresses per second when nothing disturbs: best of 20."""
    best = float("inf")
    for _ in range(20):
        began = time.perf_counter()
        compress(20)
        best = min(best, time.perf_counter() - began)
    return 20 / best


def is_parallel_arm() -> bool:
    """Whether the caller is a worker of a parallel arm rather than the serial loop."""
    return threading.current_thread().name not in _BASELINE_THREADS


@dataclass(frozen=True, slots=True)
class Workload:
    """Stages, items and what a comparison needs besides."""

    stages: Sequence[Stage]
    """One stage."""
    items: Sequence[int]
    """The same number again and again."""
    setup: Callable[[], object] | None = None
    """Runs untimed before every execution."""


class Compute:
    """Compresses; in the parallel arm with the planted regression."""

    def __init__(self, regression: str, seed: int) -> None:
        self._lock = threading.Lock() if regression == "lock around two thirds" else None
        self._factor = SLOWDOWN if regression == "1.25x slower" else 1.0
        self._is_moody = regression == "slow in 60 % of executions"
        self._mood = random.Random(seed)

    def begin(self) -> None:
        """Choose the mode of the next execution."""
        if self._is_moody:
            self._factor = SLOW_MODE if self._mood.random() < SLOW_SHARE else 1.0

    def __call__(self, loops: int) -> int:
        """Return the loops; the work done for them depends on the arm."""
        if not is_parallel_arm():
            compress(loops)
            return loops
        began = clock()
        locked = round(loops * LOCKED_SHARE) if self._lock else 0
        with self._lock or contextlib.nullcontext():
            compress(locked)
        compress(loops - locked)
        slow_until = began + self._factor * (clock() - began)
        while clock() < slow_until:
            compress(1)
        return loops


def compute(loops: int, *, regression: str = "", seed: int = 0) -> Workload:
    """Return the computing plan: ITEMS items of `loops` blocks each."""
    stage = Compute(regression, seed)
    workers = 1 if regression == "one worker instead of two" else WORKERS
    return Workload(
        [Stage(stage, name="compress", workers=workers)], [loops] * ITEMS, setup=stage.begin
    )


def compute_in_processes(loops: int) -> Workload:
    """Return the computing plan without regressions, which needs no lock and can be pickled."""
    return Workload([Stage(compress, workers=WORKERS)], [loops] * ITEMS)


def _wait(milliseconds: int) -> int:
    time.sleep(milliseconds / 1000)
    return milliseconds


def wait(arm_s: float) -> Workload:
    """Return the waiting plan: its items sleep."""
    each = max(1, round(1000 * arm_s / WAIT_ITEMS))
    return Workload([Stage(_wait, name="wait", workers=WAIT_WORKERS)], [each] * WAIT_ITEMS)


def service(late_share: float, seed: int) -> Workload:
    """Return the service: a share of its requests, drawn anew each time, is late."""
    draw = random.Random(seed)

    def serve(item: int) -> int:
        time.sleep(LATE_S if draw.random() < late_share else SERVICE_S)
        return item

    return Workload([Stage(serve, workers=WAIT_WORKERS)], range(100))
