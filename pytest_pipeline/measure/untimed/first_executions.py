"""The first execution of every arm: its outputs, and whether anything changed its items."""

from __future__ import annotations

from pytest_pipeline.errors import UsageError
from pytest_pipeline.executors.batches import open_plan
from pytest_pipeline.measure.checks.sameness import Mismatch
from pytest_pipeline.measure.checks.watch import ItemWatch, median_services_s, modified_since
from pytest_pipeline.measure.trial import Measured, Trial, Wrong


def run_first_executions(trial: Trial, measured: Measured) -> None:
    """Run every arm once: the baseline watched for modified items, the others compared with it."""
    trial.progress("comparing outputs")
    marks = _watched_baseline(trial, measured)
    if measured.wrong:
        return  # modified items are other items: nothing else can be compared
    for lane in trial.candidates:
        try:
            trace = lane.first_execution(trial.source)
        except Mismatch as difference:
            measured.wrong.append(Wrong(lane.name, "outputs", str(difference), difference.item))
            continue
        lane.keep_profile(trace)
        measured.first_service_s[lane.name] = median_services_s(trace)
        modified = modified_since(trial.source, marks, lane.name)
        if modified:
            measured.wrong.append(Wrong(lane.name, "items", modified))


def _watched_baseline(trial: Trial, measured: Measured) -> list[bytes | None]:
    watch = ItemWatch(trial.plan, trial.source, trial.machine.clock)
    # Stages can say which item they are at only in this process, where one worker takes one item at a time.
    executor = trial.baseline.executor
    is_here = not getattr(executor, "ships_stages", False)
    is_one_by_one = is_here and trial.baseline.width == 1 and not trial.plan.is_batched
    running = open_plan(executor, watch.plan if is_one_by_one else trial.plan)
    try:
        trace = trial.baseline.execute_on(running, watch.source)
    finally:
        running.close()
    if not watch.marks:
        raise UsageError("items is empty: there is nothing to measure")
    measured.outputs = trace.outputs
    measured.num_items = len(watch.marks)
    measured.items_mark = watch.kinds.mark
    trial.baseline.keep_profile(trace)
    measured.first_service_s[trial.baseline.name] = median_services_s(
        trace, watch.checking_ns if is_one_by_one else None
    )
    modified = watch.modified or modified_since(trial.source, watch.marks, trial.baseline.name)
    if modified:
        measured.wrong.append(Wrong(trial.baseline.name, "items", modified))
    return watch.marks
