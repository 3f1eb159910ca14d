"""What is said of an arm whose outputs are not the baseline's, or that modifies items."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from pytest_pipeline.judge.conclude import without_rounds
from pytest_pipeline.measure.trial import Trial, Wrong
from pytest_pipeline.model.finding import Finding, Reason, Verdict

_OTHER_ARM = "look for state that stages share, an order they rely on, or declare check=Close(...)"

_SAME_ARM = "seed what is random in the stages and in the items, and let setup= put back what they keep between executions"

_USED_UP = "an item that is an iterator or an open file is used up by the first execution: let items be a function that makes fresh ones"

_COPY = "return a copy instead of a buffer or a collection that later calls write to"

_HASH_SEEDS = "the order of a set of text differs between processes: sort it, or set PYTHONHASHSEED"


def wrong_finding(wrong: Wrong, trial: Trial) -> Finding:
    """Return the finding that makes the times of the arm invalid, with its cause and the next step."""
    arm = wrong.executor
    if wrong.kind == "items":
        return without_rounds(None, arm, Verdict.INVALID, Reason.ITEMS_MODIFIED, wrong.text)
    if wrong.kind == "rewritten":
        finding = without_rounds(None, arm, Verdict.INVALID, Reason.OUTPUTS_DIFFER, wrong.text)
        return replace(finding, next_step=_COPY)
    baseline = trial.baseline.name
    if arm == baseline:
        cause = f"{arm} ran the same functions on the same items twice and gave other outputs"
        step = _SAME_ARM
    elif wrong.is_random:
        cause = f"{baseline} itself gave other outputs when it ran the same functions on the same items once more"
        step = _SAME_ARM
    else:
        cause = f"{baseline} and {arm} ran the same functions on the same items"
        step = _OTHER_ARM
    if _takes_what_is_used_up(trial, wrong.item):
        step = _USED_UP
    text = f"wrong result under {arm}: {wrong.text}"
    return replace(
        without_rounds(None, arm, Verdict.INVALID, Reason.OUTPUTS_DIFFER, text),
        cause=f"{cause}; {wrong.begins}" if wrong.begins else cause,
        next_step=f"{step}; {_HASH_SEEDS}" if _compares_processes(trial, arm) else step,
    )


def _takes_what_is_used_up(trial: Trial, item: int | None) -> bool:
    """Tell whether `item`, of a list that every execution gets, can be iterated only once."""
    if item is None or trial.source.may_wait:
        return False
    return isinstance(next(islice(trial.source.factory(), item, None), None), Iterator)


def _compares_processes(trial: Trial, arm: str) -> bool:
    """Tell whether worker processes, which hash text each in its own way, made any of the outputs."""
    return any(
        getattr(lane.executor, "ships_stages", False) for lane in (trial.baseline, trial.lane(arm))
    )
