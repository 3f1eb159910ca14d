"""Likely cause and next step of gates that are not about the speedup: each from its own evidence."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pytest_pipeline.explain.advice import WORTHWHILE, Advice
from pytest_pipeline.explain.ceiling import ALL_STAGES, Line
from pytest_pipeline.explain.profile import is_pool, time_in_service
from pytest_pipeline.model.change import Change
from pytest_pipeline.model.comparison import Arm
from pytest_pipeline.model.plan import SOURCE_STAGE, Plan
from pytest_pipeline.model.trace import Trace
from pytest_pipeline.model.units import show_quantity, show_seconds, show_share
from pytest_pipeline.stats.overlap import most_in_service


def throughput_advice(in_speedup: Advice, limit_per_s: float, limit_x: float) -> Advice:
    """Return the advice of the speedup that the limit amounts to, with both limits named."""
    limit = show_quantity(limit_per_s, "1/s")
    same = f"{limit} is {limit_x:.2f}x what the baseline reaches"
    cause = f"{in_speedup.cause}; {same}" if in_speedup.cause else same
    return Advice(cause, in_speedup.next_step)


def first_result_advice(trace: Trace) -> Advice:
    """Return where the item that came out first spent its time."""
    emitted = np.flatnonzero(trace.emitted_ns > 0)
    if not len(emitted):
        return Advice("", "")
    service = time_in_service(trace)
    item = int(emitted[np.argmin(trace.emitted_ns[emitted])])
    longest = int(service[item].argmax())
    total, most = float(service[item].sum()), float(service[item, longest])
    between = max(0.0, trace.first_result_s - total)
    text = (
        f"item {item} came out first: {show_seconds(most)} in the service of stage "
        f"{trace.stage_names[longest]!r}, {show_seconds(total - most)} in other stages, "
        f"{show_seconds(between)} before and between them"
    )
    return Advice(text, "")


def efficiency_advice(
    cause: str, line: Line, plan: Plan | None = None, *, limit: float = 0.0
) -> Advice:
    """Return the change of one worker that is predicted to use all of them best, and whether it falls short.

    The iterator of the items is no worker and cannot be given one.
    """
    first = int(line.names[:1] == (SOURCE_STAGE,))
    best, step = WORTHWHILE * line.speedup() / sum(line.workers[first:]), ""
    for index, name in enumerate(line.names[first:], first):
        for count in {line.workers[index] - 1, line.workers[index] + 1} - {0}:
            workers = (*line.workers[:index], count, *line.workers[index + 1 :])
            predicted = line.staffed(workers).speedup() / sum(workers[first:])
            if predicted > best:
                best = predicted
                step = f"{_sized(name, count, plan)} is predicted to reach {show_quantity(predicted, 'share')}"
    if step and best < limit:
        step += f", short of {show_quantity(limit, 'share')}"
    return Advice(cause, step)


def _sized(stage: str, workers: int, plan: Plan | None) -> str:
    if stage == ALL_STAGES:
        return f"workers={workers}"
    return Change(workers={stage: workers}).code(plan=plan)


def overlap_advice(arm: Arm, trace: Trace, plan: Plan) -> Advice:
    """Return the stage whose workers were never all in service; else the one that holds the others back.

    A pool that runs all the stages takes its size from the executor: what they declare is not used.
    """
    declared = dict(zip(plan.names, (each.workers for each in plan.stages), strict=True))
    pool = next((row for row in trace.ledger.rows if is_pool(row)), None)
    if pool is not None:
        return _pool_advice(arm, trace, pool.workers)
    idle = _idlest_stage(trace, declared)
    if idle is not None:
        name, peak = idle
        cause = f"stage {name!r} has {declared[name]} workers, at most {peak} of its visits were in service at once"
        return Advice(
            cause,
            f"look for what keeps the workers of {name!r} from starting: fewer workers than declared, too few items in flight, items that come too slowly",
        )
    peak = most_in_service(trace.visits.started_ns, trace.visits.finished_ns)
    if peak < arm.workers:
        cause = f"{arm.executor} has {arm.workers} worker slots, at most {peak} visits were in service at once"
        return Advice(cause, "")
    if arm.bottleneck is None or arm.bottleneck.stage not in declared:
        return Advice("", "")
    stage, workers = arm.bottleneck.stage, arm.bottleneck.workers
    cause = f"the others wait for stage {stage!r}, busy {show_share(arm.bottleneck.utilization)} of the makespan"
    return Advice(cause, f"give it another worker: {_sized(stage, workers + 1, plan)}")


def _pool_advice(arm: Arm, trace: Trace, workers: int) -> Advice:
    hosted = [stage for stage in arm.stages if stage.name != SOURCE_STAGE]
    mine = trace.visits.stage >= len(arm.stages) - len(hosted)
    peak = most_in_service(trace.visits.started_ns[mine], trace.visits.finished_ns[mine])
    busy = min(1.0, sum(stage.utilization for stage in hosted))
    return Advice(
        f"the pool of {arm.executor!r} has {workers} workers, busy {show_share(busy)} of the makespan, "
        f"at most {peak} visits were in service at once",
        "look for what keeps the workers of the pool from starting: too few items in flight, items that come too slowly",
    )


def _idlest_stage(trace: Trace, declared: Mapping[str, int]) -> tuple[str, int] | None:
    """Return the stage with the most workers that were never in service at once, and its peak."""
    found: list[tuple[int, str, int]] = []
    for index, name in enumerate(trace.stage_names):
        mine = trace.visits.stage == index
        peak = most_in_service(trace.visits.started_ns[mine], trace.visits.finished_ns[mine])
        missing = declared.get(name, 0) - peak
        if missing > 0:
            found.append((missing, name, peak))
    if not found:
        return None
    _, name, peak = max(found)
    return name, peak
