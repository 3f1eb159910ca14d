"""What the healthy workload reaches here when nothing disturbs: the limits of the cells are multiples of it.

A virtual machine's own speedup moves within minutes and over the hours (docs/calibration.md prints how far), so that
"1.25x slower than healthy" means something only against the mean clean speedup of the same hour.
"""

from __future__ import annotations

import datetime as dt
import os
import time
from statistics import fmean, median

from benchmarks.calibration import workloads
from benchmarks.calibration.cells import Cell
from benchmarks.calibration.store import Record, Store
from benchmarks.calibration.workloads import Workload
from pytest_pipeline import Comparison, compare
from pytest_pipeline.judge.readings import SpeedupReading

CLEAN_ROUNDS = 12
TRIES = 6
FRESH_ARMS = 3000
"""A clean speedup is learned again after the time of this many serial arms: 5 minutes for 0.1 s."""
USABLE = 4
"""While the machine is too busy to learn it again, the last one is used up to this many times longer."""
POOLED = 12
"""Limits come from the mean of what was learned within this many times longer: an hour for 0.1 s. Neighbouring ones
differ by several per cent, and a limit from a single one would shift what `1.25x slower` means as far."""
REST_S = 5.0
"""Pause before it is learned. Right after a neighbour it is lower, most of all while the kernel writes what a disk writer
has left, and every limit of the next hour would be too low."""
MARGIN = 1.1
"""A computing arm is made this much longer than asked for, so that its length is never below."""


class NotQuietError(RuntimeError):
    """The machine was disturbed whenever the clean speedup was measured."""


def key_of(cell: Cell) -> str:
    """Return which workload the cell measures; cells of one key share a clean speedup."""
    return f"{cell.work}/{cell.executor}/{cell.arm_s:g}"


def workload_of(cell: Cell, clean: Record, seed: int, *, is_healthy: bool = False) -> Workload:
    """Return the workload of `cell`, with its planted regression unless `is_healthy`."""
    if cell.work == "service":
        return workloads.service(cell.late_share, seed)
    if cell.work == "wait":
        return workloads.wait(cell.arm_s)
    if cell.executor == "processes":
        return workloads.compute_in_processes(clean["loops"])
    regression = "" if is_healthy else cell.regression
    return workloads.compute(clean["loops"], regression=regression, seed=seed)


def clean_of(cell: Cell, store: Store) -> Record:
    """Return the clean record of the cell's workload, learned anew when the stored one is not of these minutes.

    Its speedup is the mean of those that are pooled.

    Raises `NotQuietError` when it cannot be learned now and no usable one is known.
    """
    key = key_of(cell)
    if cell.work == "service":
        return {"kind": "clean", "key": key, "speedup": 1.0, "loops": 0}
    known = [record for record in store.here("clean") if record["key"] == key]
    fresh_s = FRESH_ARMS * cell.arm_s
    age_s = _age_s(known[-1]) if known else float("inf")
    if age_s > fresh_s:
        try:
            known.append(_learn(cell))
            store.append(known[-1])
        except NotQuietError:
            if age_s > USABLE * fresh_s:
                raise
    pooled = [record["speedup"] for record in known if _age_s(record) <= POOLED * fresh_s]
    return {**known[-1], "speedup": fmean(pooled)}


def settle(seconds: float) -> None:
    """Let a neighbour that has just ended leave nothing behind: its unwritten pages, its place on the cores."""
    os.sync()
    time.sleep(seconds)


def _age_s(record: Record) -> float:
    return (_now() - dt.datetime.fromisoformat(record["at"])).total_seconds()


def _now() -> dt.datetime:
    return dt.datetime.now(tz=dt.UTC)


def _learn(cell: Cell) -> Record:
    each_s = MARGIN * cell.arm_s / workloads.ITEMS
    draft = {"loops": max(1, round(workloads.loops_per_second() * each_s))}
    ratios: list[float] = []
    print(f"learning the clean speedup of {key_of(cell)}", flush=True)
    settle(REST_S)
    for _ in range(TRIES):
        ratios += clean_ratios(_measure(cell, draft))
        if len(ratios) >= CLEAN_ROUNDS:
            break
        time.sleep(1.0)
    else:
        raise NotQuietError(
            f"{key_of(cell)}: {len(ratios)} clean rounds in {TRIES} measurements, {CLEAN_ROUNDS} needed: "
            "wait until the machine is idle"
        )
    return {
        "kind": "clean",
        "key": key_of(cell),
        "at": _now().isoformat(timespec="seconds"),
        "speedup": round(median(ratios), 4),
        "lowest": round(min(ratios), 4),
        "highest": round(max(ratios), 4),
        "rounds": len(ratios),
        **draft,
    }


def _measure(cell: Cell, draft: Record) -> Comparison:
    work = workload_of(cell, draft, seed=0, is_healthy=True)
    return compare(work.stages, work.items, executors=[cell.executor], budget_s=60.0)


def clean_ratios(comparison: Comparison) -> list[float]:
    """Return median / median of every clean round, or nothing when the reference is not valid."""
    if comparison.reference is None or not comparison.reference.is_valid:
        return []
    (arm,) = set(comparison.arms) - {comparison.baseline}
    reading = SpeedupReading(comparison.baseline, arm)
    return [reading.typical(each) for each in comparison.rounds if each.is_clean]
