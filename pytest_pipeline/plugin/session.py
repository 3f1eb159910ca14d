"""What the session knows: results of tests, whichever process ran them, as plain JSON types."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from pytest_pipeline.plugin.declaring.markers import location
from pytest_pipeline.plugin.names import RESULT, RESULTS
from pytest_pipeline.plugin.state import ItemState, state_of
from pytest_pipeline.plugin.workers import nodeid_of, worker_id

if TYPE_CHECKING:
    from pytest_pipeline.measure.machine import Machine

MACHINE: pytest.StashKey[Machine] = pytest.StashKey()
"""Set `config.stash[MACHINE]` to measure on another machine than the real one (tests do)."""

_PRECEDENCE = ("invalid", "missed", "inconclusive", "unavailable", "not-run", "met")


@dataclass(slots=True)
class Results:
    """Everything collected so far, in the controller."""

    tests: dict[tuple[str, str, int], dict[str, Any]] = field(default_factory=dict)
    """By node id, worker and attempt."""
    environment: dict[str, Any] = field(default_factory=dict)
    """Of the first comparison that described one."""
    document: dict[str, Any] | None = None
    """The JSON document, once the session has ended."""
    failed: list[pytest.TestReport] = field(default_factory=list)
    """Reports of failed tests among them; neither expected failures nor attempts that were repeated."""
    notices: list[str] = field(default_factory=list)
    """Warnings to print in the summary."""
    written: list[str] = field(default_factory=list)
    """Files written, as printed."""

    def add(self, plain: dict[str, Any]) -> None:
        """Take the result of one attempt of one test; a later one replaces an interrupted one."""
        environment = plain.pop("environment", None)
        if environment and not self.environment:
            self.environment = environment
        self.tests[plain["nodeid"], plain["worker"], plain["attempt"]] = plain

    def add_lost(self, spooled: Iterable[dict[str, Any]]) -> None:
        """Take what workers wrote down, last line last, where no report has come."""
        reported = set(self.tests)
        for plain in spooled:
            if (plain["nodeid"], plain["worker"], plain["attempt"]) not in reported:
                self.add(plain)


_RAISED = {"stage-raised", "timeout", "worker-died"}
"""Reasons of a run that ended by an exception; their headline names stage and item."""


def results_of(config: pytest.Config) -> Results:
    """Return the session's results."""
    return config.stash.setdefault(RESULTS, Results())


def attach_result(item: pytest.Item, report: pytest.TestReport) -> None:
    """Put the result of this attempt on its report, which xdist carries to the controller."""
    state = state_of(item)
    is_last_phase = report.when == "call" or (report.when == "setup" and not report.passed)
    if not is_last_phase:
        return
    if report.failed and (state.runs or state.declared.gate_names) and not state.error:
        state.error = _own_error(state, report)
    if report.when == "call" and not state.has_ended:
        return  # of a subtest: the body goes on, and its own report will carry the result
    if state.is_relevant:
        import json

        plain = result_of(item, state, seconds=report.duration)
        setattr(report, RESULT, json.dumps(plain, default=str))
        word = status_word(plain) if report.passed else ""
        report.pipeline_word = word  # type: ignore[attr-defined]


_ENDS_THE_SESSION = (KeyboardInterrupt, pytest.exit.Exception)
"""After these pytest makes no report of the test any more."""


def keep_interrupted(item: pytest.Item, error: BaseException) -> None:
    """Keep what a test has measured when `error` ends the whole session: there will be no report to carry it."""
    state = state_of(item)
    has_measured = state.runs or state.sweeps or state.tunings
    if not (has_measured and isinstance(error, _ENDS_THE_SESSION)):
        return
    state.error = f"interrupted ({type(error).__name__})"
    results_of(item.config).add(result_of(item, state, seconds=0.0))


def result_of(item: pytest.Item, state: ItemState, *, seconds: float) -> dict[str, Any]:
    """Return one element of the document's `tests`, in plain types."""
    from pytest_pipeline.model.document import to_plain

    comparisons = [run.comparison for run in state.runs]
    environments = [each.environment for each in comparisons if each.environment is not None]
    plain: dict[str, Any] = to_plain(
        {
            "nodeid": nodeid_of(item),
            "location": location(item),
            "outcome": outcome_of(state),
            "attempt": state.attempt,
            "worker": worker_id(item.config),
            "seconds": seconds or sum(each.seconds for each in comparisons),
            "error": state.error,
            "runs": [each.to_dict() for each in comparisons],
            "sweeps": state.sweeps,
            "tunings": state.tunings,
            "environment": environments[0] if environments else None,
        }
    )
    return plain


def outcome_of(state: ItemState) -> str:
    """Return the verdict of the whole test: the most urgent one of its findings."""
    if state.error:
        return "invalid"
    verdicts = {finding.verdict.value for finding in state.findings}
    if not verdicts and _has_unavailable_arm(state):
        return "unavailable"
    return next((each for each in _PRECEDENCE if each in verdicts), "ungated")


def _has_unavailable_arm(state: ItemState) -> bool:
    return any(arm.unavailable for run in state.runs for arm in run.comparison.arms.values())


def _own_error(state: ItemState, report: pytest.TestReport) -> str:
    """Return the first line of an error that is not one of our findings."""
    raised = [each.headline for each in state.findings if each.reason.value in _RAISED]
    if raised:
        return raised[-1]
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(getattr(crash, "message", "") or report.longrepr).partition("\n")[0]
    ours = any(text.startswith(each.headline) for each in state.findings)
    return "" if ours else text


def status_word(plain: dict[str, Any]) -> str:
    """Return what `-v` shows after PASSED: `2.61x`, or the p99 when no speedup was measured."""
    from pytest_pipeline.model.units import show_seconds

    arms = [arm for run in plain["runs"] for arm in run["arms"] if not arm["is_baseline"]]
    speedups = [arm["speedup"]["value"] for arm in arms if arm["speedup"]]
    if speedups:
        return " ".join(f"{each:.2f}x" for each in speedups if each is not None)
    # Full queues measure themselves.
    latencies = [arm["latency"] for arm in arms if arm["latency"]]
    p99s = [each["p99_s"] for each in latencies if each["loop"] != "saturated"]
    return f"p99 {show_seconds(p99s[0])}" if p99s and p99s[0] is not None else ""


def properties_of(state: ItemState) -> list[tuple[str, object]]:
    """Return a few scalars for JUnit's `<properties>`."""
    found: list[tuple[str, object]] = [("pipeline.verdict", outcome_of(state))]
    for run in state.runs[:1]:
        for name, arm in list(run.comparison.arms.items())[:4]:
            if arm.speedup is not None and not arm.is_baseline:
                found.append((f"pipeline.{name}.speedup", float(arm.speedup.value)))
            if arm.latency is not None and not arm.is_baseline:
                found.append((f"pipeline.{name}.p99_s", float(arm.latency.p99_s)))
            if arm.makespan_s is not None:
                found.append((f"pipeline.{name}.makespan_s", float(arm.makespan_s)))
    return found
