"""The first execution of every arm: its outputs, and whether anything changed its items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_pipeline.errors import UsageError
from pytest_pipeline.executors.batches import open_plan
from pytest_pipeline.measure.checks.sameness import Mismatch
from pytest_pipeline.measure.checks.watch import Items, ItemWatch, median_services_s
from pytest_pipeline.measure.lane import Lane
from pytest_pipeline.measure.trial import Measured, Trial, Wrong, wrong_outputs
from pytest_pipeline.model.trace import Trace


def run_first_executions(trial: Trial, measured: Measured) -> None:
    """Run every arm once: the baseline watched for modified items, the others compared with it."""
    trial.progress("comparing outputs")
    try:
        items = _watched_baseline(trial, measured)
    except Mismatch as difference:  # outputs that are not even equal to themselves
        measured.wrong.append(wrong_outputs(trial.baseline.name, difference))
    if measured.wrong:
        return  # modified items are other items: nothing else can be compared
    for lane in trial.candidates:
        _first_execution(trial, measured, lane, items)


def _first_execution(trial: Trial, measured: Measured, lane: Lane, items: Items) -> None:
    modified: list[str] = []
    try:
        trace = lane.first_execution(
            trial.source, lambda: modified.append(items.modified_by(lane.name, trial.source))
        )
    except Mismatch as difference:
        measured.wrong.append(wrong_outputs(lane.name, difference))
        return
    lane.keep_profile(trace)
    measured.first_service_s[lane.name] = median_services_s(trace)
    if any(modified):
        measured.wrong.append(Wrong(lane.name, "items", modified[0]))


def _watched_baseline(trial: Trial, measured: Measured) -> Items:
    baseline = trial.baseline
    watch = ItemWatch(
        trial.plan,
        trial.source,
        trial.machine.clock,
        watches_outputs=baseline.check.suits_every_stage,
    )
    modified: list[str] = []
    is_one_by_one = _takes_one_by_one(trial)
    running = open_plan(baseline.executor, watch.plan if is_one_by_one else trial.plan)
    try:
        trace = baseline.execute_on(
            running,
            watch.source,
            then=lambda: modified.append(watch.modified_by(baseline.name, trial.source)),
        )
    finally:
        running.close()
    watch.raise_refusal()
    if not watch.items:
        raise UsageError("items is empty: there is nothing to measure")
    _keep_first(trial, measured, watch, trace, watch.checking_ns if is_one_by_one else None)
    rewritten = watch.rewritten(trace)
    if any(modified):
        measured.wrong.append(Wrong(baseline.name, "items", modified[0]))
    elif rewritten:
        measured.wrong.append(Wrong(baseline.name, "rewritten", rewritten))
    return watch.items


def _takes_one_by_one(trial: Trial) -> bool:
    """Whether stages can say which item they are at: in this process, where one worker takes one item at a time."""
    is_here = not getattr(trial.baseline.executor, "ships_stages", False)
    return is_here and trial.baseline.width == 1 and not trial.plan.is_batched


def _keep_first(
    trial: Trial,
    measured: Measured,
    watch: ItemWatch,
    trace: Trace,
    checking_ns: Mapping[str, Sequence[int]] | None,
) -> None:
    measured.outputs = trace.outputs
    measured.num_items = len(watch.items)
    measured.items_mark = watch.kinds.mark
    trial.baseline.keep_profile(trace)
    measured.first_service_s[trial.baseline.name] = median_services_s(trace, checking_ns)
