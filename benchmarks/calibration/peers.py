"""How the rules people use today answer on the same workload: red or green, without a third answer.

pytest-benchmark (5.3.1, default settings): one call to calibrate, then max(5, 1 s / that call)
rounds; `--benchmark-compare-fail=mean:10%` is red when the mean is more than 10 % above the saved
one. The rule is applied to calls made here, seconds after the saved ones: its easiest case.
By hand: time the serial loop once, the threads once, `assert serial / threads >= min`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from statistics import fmean, median

from benchmarks.calibration.workloads import Workload

EVERY = 3
"""Peers are asked in every third run of a cell: they cost as much as ours."""

MAX_TIME_S = 1.0
MIN_ROUNDS = 5
THRESHOLD = 0.10
SHOTS = 10

FIELDS: dict[str, Callable[[list[float]], float]] = {"mean": fmean, "median": median, "min": min}


def serial_s(work: Workload) -> float:
    """Time the loop that everybody writes, seconds."""
    began = time.perf_counter()
    for item in work.items:
        work.stages[0].fn(item)
    return time.perf_counter() - began


def threads_s(work: Workload) -> float:
    """Time a thread pool over the same items, seconds."""
    if work.setup is not None:
        work.setup()
    stage = work.stages[0]
    began = time.perf_counter()
    with ThreadPoolExecutor(stage.workers) as pool:
        list(pool.map(stage.fn, work.items))
    return time.perf_counter() - began


def benchmark_rounds(work: Workload) -> list[float]:
    """Time the threaded function as pytest-benchmark does, seconds per round."""
    rounds = max(MIN_ROUNDS, math.ceil(MAX_TIME_S / threads_s(work)))
    return [threads_s(work) for _ in range(rounds)]


def is_red(saved: list[float], current: list[float], field: str) -> bool:
    """Return what `--benchmark-compare-fail=<field>:10%` says."""
    statistic = FIELDS[field]
    return statistic(current) / statistic(saved) - 1 > THRESHOLD


def ask_peers(healthy: Workload, work: Workload, limit: float) -> dict[str, bool]:
    """Return for every peer whether it is red on `work`; `limit` is the speedup asked for."""
    saved = benchmark_rounds(healthy)
    current = benchmark_rounds(work)
    shots = [serial_s(work) / threads_s(work) for _ in range(SHOTS)]
    red = {f"benchmark {field}": is_red(saved, current, field) for field in FIELDS}
    return {**red, "one shot": shots[0] < limit, "mean of 10": fmean(shots) < limit}
