"""Likely cause and next step, by rule from measured data; silence when no rule fires."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pytest_pipeline.explain.ceiling import Line
from pytest_pipeline.explain.hops import chunk_step
from pytest_pipeline.model.comparison import Arm, Bottleneck, StageSummary

SLOWER_INSIDE = 1.3
"""A stage whose service takes this many times longer than in the baseline waits for something shared."""

WORTHWHILE = 1.05
"""Predicted gain below which a change is not worth proposing."""


@dataclass(frozen=True, slots=True)
class Advice:
    """Two sentences for the failure text."""

    cause: str
    """Bottleneck, ceiling, contention."""
    next_step: str
    """One concrete action, or empty."""


def find_bottleneck(stages: tuple[StageSummary, ...], line: Line) -> Bottleneck | None:
    """Return the stage with the largest busy share, and the plan's ceiling."""
    if not stages:
        return None
    busiest = max(stages, key=lambda stage: stage.utilization)
    return Bottleneck(busiest.name, busiest.workers, busiest.utilization, line.speedup())


def advise(arm: Arm, baseline: Arm, line: Line, limit: float) -> Advice:
    """Return cause and next step for an arm that missed `limit`."""
    contention = _contention(arm, baseline)
    bottleneck = arm.bottleneck
    cause = _bottleneck_text(bottleneck) if bottleneck is not None else ""
    if contention is not None:
        name, slower, here, there = contention
        cause = f"{cause}; stage {name!r} takes {slower:.1f}x as long per item as in the baseline ({here * 1e3:.1f} ms, {there * 1e3:.1f} ms)"
        return Advice(cause, _contention_step(baseline, name))
    overhead = _overhead(arm)
    if overhead:
        return Advice(f"{cause}; {overhead}" if cause else overhead, _what_if(arm, line, limit))
    return Advice(cause, chunk_step(arm) or _what_if(arm, line, limit))


def _bottleneck_text(bottleneck: Bottleneck) -> str:
    workers = "1 worker" if bottleneck.workers == 1 else f"{bottleneck.workers} workers"
    return (
        f"bottleneck: stage {bottleneck.stage!r}, {workers}, busy {bottleneck.utilization:.0%} of the makespan; "
        f"ceiling of this plan {bottleneck.ceiling:.2f}x"
    )


def _contention(arm: Arm, baseline: Arm) -> tuple[str, float, float, float] | None:
    before: Mapping[str, StageSummary] = {stage.name: stage for stage in baseline.stages}
    worst: tuple[str, float, float, float] | None = None
    for stage in arm.stages:
        there = before[stage.name].service_mean_s if stage.name in before else 0.0
        # Under 0.2 ms a hand-over's noise looks like contention.
        if there < 2e-4 or stage.service_mean_s < SLOWER_INSIDE * there:
            continue
        slower = stage.service_mean_s / there
        if worst is None or slower > worst[1]:
            worst = (stage.name, slower, stage.service_mean_s, there)
    return worst


def _contention_step(baseline: Arm, name: str) -> str:
    share = next((stage.cpu_share for stage in baseline.stages if stage.name == name), None)
    if share is not None and share > 0.8:
        return (
            f"{name!r} computes {share:.0%} of its time: if it is Python code it holds the GIL, so try "
            'executors=["processes"], or free-threaded Python'
        )
    return f"look for a lock, connection or file that the workers of {name!r} share"


def _overhead(arm: Arm) -> str:
    ledger = arm.ledger
    if ledger is None or not ledger.workers or not ledger.makespan_s:
        return ""
    total = ledger.workers * ledger.makespan_s
    shipping = sum(row.serialisation_s + row.transfer_s for row in ledger.rows) / total
    if shipping > 0.15:
        return f"serialisation and transfer take {shipping:.0%} of the worker time"
    return ""


def _what_if(arm: Arm, line: Line, limit: float) -> str:
    bottleneck = arm.bottleneck
    if bottleneck is None or bottleneck.stage not in line.names:
        return ""
    index = line.names.index(bottleneck.stage)
    workers = list(line.workers)
    workers[index] += 1
    predicted = line.speedup(workers)
    if predicted < WORTHWHILE * line.speedup():
        return ""
    enough = "" if predicted >= limit else f", short of {limit:.2f}x"
    return f"Stage({bottleneck.stage}, workers={workers[index]}) is predicted to reach {predicted:.2f}x{enough}"
