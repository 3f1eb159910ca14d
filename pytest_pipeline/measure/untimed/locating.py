"""Where wrong outputs begin: the plan executed again on a few items, one stage longer each time."""

from __future__ import annotations

from contextlib import closing, suppress
from dataclasses import replace
from itertools import islice

from pytest_pipeline.measure.checks.sameness import Mismatch
from pytest_pipeline.measure.lane import Lane
from pytest_pipeline.measure.trial import Measured, Trial, Wrong
from pytest_pipeline.model.plan import Source

MOST_ITEMS = 32
"""Items executed again, the wrong one the last of them: what stages hand on may be large, and is kept."""


def locate_all(trial: Trial, measured: Measured) -> None:
    """Find out for every arm with wrong outputs whether the baseline itself has others each time, else where they begin.

    For `trial.budget_s` seconds in all. No stage is found for a plan of one stage, with a check of the user's own
    (it knows the last stage's outputs only) or in a process where a thread hangs. What fails on the way is not
    told: the wrong output is what the test is about.
    """
    if measured.abandoned or all(wrong.item is None for wrong in measured.wrong):
        return
    deadline_ns = trial.machine.clock.now_ns() + round(trial.budget_s * 1e9)
    is_known = any(wrong.executor == trial.baseline.name for wrong in measured.wrong)
    if not is_known and _differs_from_itself(trial.baseline, trial.source):
        measured.wrong = [replace(wrong, is_random=True) for wrong in measured.wrong]
    if len(trial.plan.stages) == 1 or not trial.baseline.check.suits_every_stage:
        return
    for at, wrong in enumerate(measured.wrong):
        if wrong.item is None:
            continue
        trial.progress(f"looking for the stage where {wrong.executor} goes wrong")
        with suppress(Exception):  # of a user's stage, on items that it may not expect
            begins = _locate(trial, wrong, wrong.item, deadline_ns)
            measured.wrong[at] = replace(wrong, begins=begins)


def _differs_from_itself(baseline: Lane, source: Source) -> bool:
    """Execute the baseline once more: what is random is nobody's fault."""
    try:
        baseline.timed_execution(source)
    except Exception as error:  # also of a user's stage that did not raise before
        return isinstance(error, Mismatch)
    return False


def _locate(trial: Trial, wrong: Wrong, item: int, deadline_ns: int) -> str:
    source, start = _up_to(trial, item)
    lane = trial.baseline if wrong.is_random else trial.lane(wrong.executor)
    for each in {trial.baseline, lane}:
        each.close()
    for stages, name in enumerate(trial.plan.names, 1):
        if trial.machine.clock.now_ns() > deadline_ns:
            return ""
        found = _first_difference(trial.baseline, lane, stages, source)
        if found is not None:
            return f"executed again stage by stage, outputs differ from stage {name!r} on (item {start + found})"
    return (
        f"executed again with items {start} to {item} alone, every stage gave equal outputs: "
        "it takes other items too, or comes and goes as a race does"
    )


def _first_difference(baseline: Lane, lane: Lane, stages: int, source: Source) -> int | None:
    """Return the first item of `source` that `lane` gives other outputs for after so many stages.

    Raises `Mismatch` where the baseline itself does not give the same outputs twice.
    """
    check = baseline.check.for_other_stages()
    with closing(baseline.up_to(stages, check)) as first:
        first.timed_execution(source)
        if lane is not baseline:
            first.timed_execution(source)
    with closing(lane.up_to(stages, check)) as second:
        return _difference(second, source)


def _difference(lane: Lane, source: Source) -> int | None:
    try:
        lane.timed_execution(source)
    except Mismatch as difference:
        if difference.item is None:
            raise
        return difference.item
    return None


def _up_to(trial: Trial, item: int) -> tuple[Source, int]:
    """Return the items that end with `item`, in whole batches, and the index of the first of them."""
    batch = trial.plan.full_batch
    stop = (item // batch + 1) * batch
    start = max(0, stop - MOST_ITEMS) // batch * batch
    factory = trial.source.factory
    return replace(
        trial.source, factory=lambda: islice(factory(), start, stop), is_lazy=True
    ), start
