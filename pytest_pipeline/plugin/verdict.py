"""After the body: what the findings of a test do to it."""

from __future__ import annotations

import contextlib

import pytest

from pytest_pipeline.errors import PipelineRegression
from pytest_pipeline.model.finding import Finding, Verdict
from pytest_pipeline.plugin.declaring.ownership import foreign_pipeline, uses_our_fixtures
from pytest_pipeline.plugin.declaring.problems import PipelineWarning
from pytest_pipeline.plugin.measuring.unmeasured import (
    SKIPPING,
    has_died_of_it,
    open_gates,
    why_unmeasured,
)
from pytest_pipeline.plugin.session import keep_interrupted, properties_of
from pytest_pipeline.plugin.settings import Policy, Settings, settings_of
from pytest_pipeline.plugin.sinks import tell_sinks
from pytest_pipeline.plugin.state import (
    ItemState,
    Run,
    bad_markers_fail,
    declared_now,
    state_of,
)


def check_gates(item: pytest.Item) -> None:
    """Raise `PipelineRegression` or `pytest.skip.Exception` when the findings ask for it.

    Called where an exception still belongs to the test's call phase, so that the outcome is FAILED
    (never ERROR) and `-x`, `--lf`, reruns and `xfail(raises=...)` see it.
    """
    __tracebackhide__ = True
    state = state_of(item)
    state.has_ended = True
    try:
        _decide(item, state)
    except BaseException:
        with contextlib.suppress(
            PipelineWarning
        ):  # where warnings are errors the verdict comes first
            tell_sinks(item, state)
        raise
    tell_sinks(item, state)


def after_error(item: pytest.Item, error: BaseException) -> None:
    """Do what remains when the body of `item` raised `error`.

    Raises the verdict in its place when the body died of a value that was not measured.
    """
    __tracebackhide__ = True
    state = state_of(item)
    state.has_ended = True
    keep_interrupted(item, error)
    with contextlib.suppress(PipelineWarning):  # the same
        tell_sinks(item, state)
    if has_died_of_it(state, error):
        _raise_why(state, settings_of(item.config), error)


def _raise_why(state: ItemState, settings: Settings, error: BaseException) -> None:
    __tracebackhide__ = True
    failure = failure_of(state, settings)
    if failure:
        raise PipelineRegression(failure) from error
    reason = why_unmeasured(state)
    if reason:
        raise pytest.skip.Exception(reason, _use_item_location=True) from error


def _decide(item: pytest.Item, state: ItemState) -> None:
    __tracebackhide__ = True
    with bad_markers_fail():
        declared_now(item)
    if state.runs:
        state.properties = properties_of(state)
        item.user_properties.extend(state.properties)
    if getattr(item, "_excinfo", None):
        return  # a unittest method that failed or was skipped: pytest says so after the call
    unmeasured = _measured_nothing(item, state)
    if unmeasured:
        state.error = unmeasured
        raise PipelineRegression(unmeasured)
    settings = settings_of(item.config)
    failure = failure_of(state, settings)
    if failure:
        raise PipelineRegression(failure)
    late = _added_late(state)
    if late:
        state.error = late
        raise PipelineRegression(late)
    reason = skip_reason(state, settings)
    if reason:
        raise pytest.skip.Exception(reason, _use_item_location=True)


def failure_of(state: ItemState, settings: Settings) -> str:
    """Return the failure text: all the headlines in the first line, then the details; or nothing."""
    failing = [
        finding
        for run in state.runs
        for finding in run.comparison.findings
        if _fails(finding, run, settings)
    ]
    failing.sort(key=lambda finding: finding.verdict is not Verdict.INVALID)
    headlines = [each.headline for each in failing]
    missing = [] if failing else _required_but_missing(state, settings)
    if len(failing) == 1:
        return failing[0].text
    lines = list(dict.fromkeys([*headlines, *missing]))
    return "\n".join(["; ".join(lines), *(each.text for each in failing)]) if lines else ""


def skip_reason(state: ItemState, settings: Settings) -> str:
    """Return why the test is skipped, or nothing when every gate is met (or policy lets it pass)."""
    for verdict in SKIPPING:
        if verdict is Verdict.INCONCLUSIVE and settings.inconclusive is not Policy.SKIP:
            continue
        reason = open_gates(state, verdict)
        if reason:
            return reason
    return ""


def _fails(finding: Finding, run: Run, settings: Settings) -> bool:
    if finding.verdict.fails:
        return not run.is_raised
    if finding.verdict is Verdict.INCONCLUSIVE:
        return settings.inconclusive is Policy.FAIL
    return finding.verdict is Verdict.UNAVAILABLE and finding.executor in settings.require


def _required_but_missing(state: ItemState, settings: Settings) -> list[str]:
    """Return the arms that `--pipeline-require` names; without a gate they have no finding."""
    return [
        f"executor {arm.executor!r} cannot run here: {arm.unavailable} (and --pipeline-require names it)"
        for run in state.runs
        for arm in run.comparison.arms.values()
        if arm.unavailable and arm.executor in settings.require
    ]


def _measured_nothing(item: pytest.Item, state: ItemState) -> str:
    names = state.declared.gate_names
    if not names or any(run.is_gated for run in state.runs):
        return ""
    is_test = isinstance(item, pytest.Function)
    if not (is_test or state.runs or state.uses_fixture or uses_our_fixtures(item)):
        return ""  # a doctest has the markers of its module, which mean the tests beside it
    marks = " and ".join(f"@pytest.mark.{name}" for name in names)
    if state.runs:
        return f"has {marks} but measured nothing under it: every pipeline.run passed gates=False"
    foreign = foreign_pipeline(item)
    if foreign:
        return (
            f"has {marks} but measured nothing: its `pipeline` fixture is not ours but this project's own "
            f"({foreign}); ask for `parallel_pipeline`, which is ours under another name"
        )
    return f"has {marks} but measured nothing: call pipeline.run(stages, items) in the test"


def _added_late(state: ItemState) -> str:
    marks = [
        f"@pytest.mark.{each.quantity.value}({'min' if each.quantity.is_minimum else 'max'}={each.limit:g})"
        for each in state.late_requirements
    ]
    if not marks:
        return ""
    return (
        f"has {' and '.join(marks)} but no pipeline.run was held to it: "
        "it was added after pipeline.run: add it before"
    )
