"""Rounds until a verdict in clear cases, with stages that really sleep."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from _tables import spread, table

from pytest_pipeline import Comparison, Quantity, Requirement, compare


def wait(item: int) -> int:
    time.sleep(0.003)
    return item


def stall(item: int) -> int:
    """Ten times slower for 5 % of the items."""
    time.sleep(0.030 if item % 20 == 7 else 0.003)
    return item


def speedup(limit: float) -> Callable[[], Comparison]:
    """Three stages of 3 ms, 14 items: about 2.6x."""
    demand = Requirement(Quantity.SPEEDUP, limit)
    return lambda: compare([wait, wait, wait], list(range(14)), requirements=[demand])


def p99(stage: Callable[[int], int]) -> Callable[[], Comparison]:
    """100 items per block, 120 arrivals per second, at most 20 ms."""
    demand = Requirement(Quantity.P99_LATENCY, 0.020, rate_per_s=120.0)
    return lambda: compare([wait, stage], list(range(100)), requirements=[demand])


CASES = {
    "speedup 2.6x, demanded 2.0x": speedup(2.0),
    "speedup 2.6x, demanded 3.6x": speedup(3.6),
    "p99 7 ms, demanded 20 ms": p99(wait),
    "p99 30 ms (5 % of the items), demanded 20 ms": p99(stall),
}


def decide_table(repetitions: int = 3) -> str:
    """Decide every case several times."""
    rows = []
    for case, run in CASES.items():
        findings, seconds = [], []
        for _ in range(repetitions):
            comparison = run()
            findings += comparison.findings
            seconds.append(comparison.seconds)
        verdicts = Counter(str(finding.verdict) for finding in findings)
        rows.append(
            [
                case,
                ", ".join(f"{number} {verdict}" for verdict, number in verdicts.items()),
                spread([finding.clean_rounds for finding in findings], digits=0),
                spread([finding.dirty_rounds for finding in findings], digits=0),
                spread(seconds, " s", 1),
            ]
        )
    return table(["clear case", "verdicts", "clean rounds", "disturbed", "seconds"], rows)


def tables() -> list[str]:
    return [decide_table()]


if __name__ == "__main__":
    print(*tables(), sep="\n\n")
