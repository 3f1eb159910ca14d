"""Likely cause and next step, by rule from measured data; silence when no rule fires."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pytest_pipeline.explain.ceiling import HOLDS, Host, Line
from pytest_pipeline.explain.hops import chunk_step
from pytest_pipeline.model.comparison import Arm, Bottleneck, StageSummary
from pytest_pipeline.model.plan import SOURCE_STAGE
from pytest_pipeline.model.units import show_apart, show_share
from pytest_pipeline.model.whatif import WhatIf

SLOWER_INSIDE = 1.3
"""A stage whose service takes this many times longer than in the baseline waits for something shared."""

WORTHWHILE = 1.05
"""Predicted gain below which a change is not worth proposing."""

LONG_HOLD_S = 0.001
"""Service time from which a stage that holds the GIL delays others noticeably."""

COMPUTES = 0.8
"""CPU share from which a stage computes rather than waits."""


@dataclass(frozen=True, slots=True)
class Advice:
    """Two sentences for the failure text."""

    cause: str
    """Bottleneck, ceiling, contention."""
    next_step: str
    """One concrete action, or empty."""


def find_bottleneck(
    stages: tuple[StageSummary, ...], line: Line | None, *, has_pool: bool = False
) -> Bottleneck | None:
    """Return the stage with the largest busy share, and the plan's ceiling, where there is a line to simulate.

    Of a pool, whose workers run all the stages, the shares add up.
    """
    if not stages:
        return None
    ceiling = None if line is None else line.speedup()
    busiest = max(stages, key=lambda stage: stage.utilization)
    hosted = [stage for stage in stages if stage.name != SOURCE_STAGE]
    pool = min(1.0, sum(stage.utilization for stage in hosted))
    if has_pool and hosted and pool >= busiest.utilization:
        longest = max(hosted, key=lambda stage: stage.utilization)
        return Bottleneck(longest.name, longest.workers, longest.utilization, ceiling, pool)
    return Bottleneck(busiest.name, busiest.workers, busiest.utilization, ceiling)


def advise(arm: Arm, baseline: Arm, limit: float, host: Host, *, call: str = "Threads()") -> Advice:
    """Return cause and next step for an arm that missed `limit`; `call` makes its executor, as far as it is known."""
    bottleneck = arm.bottleneck
    causes = [_bottleneck_text(bottleneck)] if bottleneck is not None else []
    contention = _contention(arm, baseline)
    if contention is None:
        overhead = _overhead(arm)
        causes += [overhead] if overhead else []
        step = "" if overhead else chunk_step(arm, call)
        return Advice("; ".join(causes), step or next_step(arm, limit))
    name, slower, here, there = contention
    causes.append(
        f"stage {name!r} takes {slower:.1f}x as long per item as in the baseline ({here * 1e3:.1f} ms, {there * 1e3:.1f} ms)"
    )
    waits, step = _contention_step(arm, baseline, name, limit, host)
    return Advice("; ".join([*causes, waits] if waits else causes), step)


def next_step(arm: Arm, limit: float) -> str:
    """Return the change to make: the smallest one predicted to reach `limit`, else the best one, saying so.

    Empty without predictions. A change that is predicted to gain less than `WORTHWHILE` over what
    the arm reaches now is not proposed, nor one that gains less than that over a smaller one.
    """
    now = max([each.predicted_speedup for each in arm.what_ifs if each.is_current], default=None)
    if now is None:
        return ""
    measured = arm.speedup.value if arm.speedup is not None else now
    worthwhile = [
        each
        for each in arm.what_ifs
        if not each.is_current and each.is_gain
        if each.predicted_speedup >= WORTHWHILE * max(now, measured)
    ]
    if worthwhile:
        best = max(each.predicted_speedup for each in worthwhile)
        wanted = limit if best >= limit else best / WORTHWHILE
        enough = [each for each in worthwhile if each.predicted_speedup >= wanted]
        smallest = min(enough, key=lambda each: (each.effort, -each.predicted_speedup))
        return _proposal(smallest, limit)
    if now < limit:
        return (
            "no change of workers, executor, queue or number of items that was simulated is predicted to gain 5 % on "
            f"{max(now, measured):.2f}x: {_otherwise(arm.bottleneck)}"
        )
    return ""


def _otherwise(bottleneck: Bottleneck | None) -> str:
    """Return what raises a speedup where more workers do not: faster stages alone speed up the baseline, too."""
    if bottleneck is None:
        return "ask for less"
    if bottleneck.stage == SOURCE_STAGE:
        return (
            "items come too slowly; let the iterator yield paths or keys, and read what they stand for in a first "
            "stage, which can have workers"
        )
    if bottleneck.pool_utilization is not None:
        return "run it on more cores, or ask for less"
    return f"split stage {bottleneck.stage!r} in two or make it faster, or ask for less"


def _proposal(change: WhatIf, limit: float) -> str:
    what, predicted = change.code or change.change, change.predicted_speedup
    if predicted >= limit:
        return f"{what} is predicted to reach {predicted:.2f}x"
    reached, asked = show_apart(predicted, limit, "x"), show_apart(limit, predicted, "x")
    return f"{what} is predicted to reach {reached}, short of {asked}"


def _bottleneck_text(bottleneck: Bottleneck) -> str:
    workers = "1 worker" if bottleneck.workers == 1 else f"{bottleneck.workers} workers"
    name, share, longest = f"stage {bottleneck.stage!r}, {workers}", bottleneck.utilization, ""
    if bottleneck.pool_utilization is not None:
        name, share = f"the pool of {workers}", bottleneck.pool_utilization
        longest = f", longest in stage {bottleneck.stage!r}"
    busy = f"bottleneck: {name}, busy {show_share(share)} of the makespan{longest}"
    if bottleneck.ceiling is None:
        return busy
    return f"{busy}; ceiling of this plan {bottleneck.ceiling:.2f}x"


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


def _contention_step(
    arm: Arm, baseline: Arm, name: str, limit: float, host: Host
) -> tuple[str, str]:
    """Return what the workers of `name` wait for, in words, and what to do about it."""
    holder, held = _gil_holder(baseline, name, host)
    if holder and not (arm.ledger is not None and arm.ledger.is_remote):
        waits = f"{holder!r} {host.seen(holder)} the GIL for {show_share(held)} of its service time"
        elsewhere = _in_processes(arm)
        if elsewhere is not None:
            return waits, _proposal(elsewhere, limit)
        return (
            waits,
            f"use fewer threads, code in {holder!r} that releases the GIL, or free-threaded Python",
        )
    share = next((stage.cpu_share for stage in baseline.stages if stage.name == name), None)
    if share is not None and share >= COMPUTES:
        return (
            f"it computes for {show_share(share)} of its time",
            f"{name!r} waits for cores or memory: use fewer workers, or measure on more cores",
        )
    return "", f"look for a lock, connection or file that the workers of {name!r} share"


def _in_processes(arm: Arm) -> WhatIf | None:
    """Return the prediction for processes; None where it gains too little, or there is none.

    What does not travel is not predicted, and neither is an arm that was measured beside this one.
    """
    now = arm.speedup.value if arm.speedup is not None else 1.0
    for each in arm.what_ifs:
        elsewhere = each.setting is not None and each.setting.executor == "processes"
        if elsewhere and each.predicted_speedup >= WORTHWHILE * now:
            return each
    return None


def _gil_holder(baseline: Arm, name: str, host: Host) -> tuple[str, float]:
    """Return the stage whose GIL the workers of `name` wait for, and its share; `name` itself comes first.

    A stage that waits asks for the GIL at every wake-up, and gets it after up to one switch interval.
    """
    shares = {
        stage.name: host.gil_share(stage.name, stage.cpu_share)
        for stage in baseline.stages
        if stage.cpu_share is not None and stage.service_mean_s >= LONG_HOLD_S
    }
    if shares.get(name, 0.0) >= HOLDS:
        return name, shares[name]
    holder = max(shares, key=lambda each: shares[each], default="")
    return (holder, shares[holder]) if holder and shares[holder] >= HOLDS else ("", 0.0)


def _overhead(arm: Arm) -> str:
    ledger = arm.ledger
    if ledger is None or not ledger.workers or not ledger.makespan_s:
        return ""
    total = ledger.workers * ledger.makespan_s
    shipping = sum(row.serialisation_s + row.transfer_s for row in ledger.rows) / total
    if shipping > 0.15:
        return f"serialisation and transfer take {show_share(shipping)} of the worker time"
    return ""
