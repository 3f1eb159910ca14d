"""A body that dies of a value that was not measured: what the test says instead of `'NoneType' object has ...`."""

from __future__ import annotations

from pytest_pipeline.model.finding import Verdict
from pytest_pipeline.plugin.state import ItemState, Run

SKIPPING = (Verdict.INCONCLUSIVE, Verdict.UNAVAILABLE)
"""Verdicts that skip a test, in order of precedence."""


def has_died_of_it(state: ItemState, error: BaseException) -> bool:
    """Return whether `error` is what becomes of a missing value, or of a gate that was not decided, in this body.

    `pytest.raises` says DID NOT RAISE where `assert_met()` was expected to fail.
    """
    if "DID NOT RAISE" in str(error) and any(run.has_asserted_open for run in state.runs):
        return True
    if not any(run.has_read_nothing for run in state.runs):
        return False
    if isinstance(
        error, AssertionError
    ):  # what type checkers want: `assert arm.speedup is not None`
        return "assert None is not None" in str(error)
    return isinstance(error, AttributeError | TypeError) and "NoneType" in str(error)


def why_unmeasured(state: ItemState) -> str:
    """Return why there was nothing to read: open gates, arms that cannot run here, hung threads."""
    for verdict in (*SKIPPING, Verdict.NOT_RUN):
        reason = open_gates(state, verdict)
        if reason:
            return reason
    causes = [cause for run in state.runs for cause in _causes(run)]
    return "; ".join(dict.fromkeys(causes))


def open_gates(state: ItemState, verdict: Verdict) -> str:
    """Return the headlines of all findings with that verdict, or nothing."""
    headlines = [each.headline for each in state.findings if each.verdict is verdict]
    return f"{verdict.value}: {'; '.join(dict.fromkeys(headlines))}" if headlines else ""


def _causes(run: Run) -> list[str]:
    """Return why a run without a gate measured nothing."""
    comparison = run.comparison
    missing = [arm for arm in comparison.arms.values() if arm.unavailable]
    if missing:
        return [
            f"unavailable: {arm.executor} cannot run here: {arm.unavailable}" for arm in missing
        ]
    return [] if comparison.rounds else [f"not measured: {each}" for each in comparison.warnings]
