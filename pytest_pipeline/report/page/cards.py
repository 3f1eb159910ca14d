"""One test of the report: the sentences first, then charts, tables and timelines."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from pytest_pipeline.report import units
from pytest_pipeline.report.changes import since_sentences
from pytest_pipeline.report.charts.past import past_charts
from pytest_pipeline.report.gates import margin
from pytest_pipeline.report.page.runs import RunView, run_view
from pytest_pipeline.report.sweeps import SweepView, make_sweep
from pytest_pipeline.report.text import one_line
from pytest_pipeline.report.tunings import TuningView, make_tuning
from pytest_pipeline.report.words import Json, Outcome, outcome_of


@dataclass(frozen=True, slots=True)
class Card:
    """One test (one attempt of it)."""

    anchor: str
    nodeid: str
    outcome: Outcome
    location: str
    meta: str
    """Attempt, worker and time spent."""
    error: str
    """Failure text of a run that broke, newlines kept."""
    rerun: str
    """Command that runs this test again."""
    runs: tuple[RunView, ...]
    sweeps: tuple[SweepView, ...]
    """Ungated studies of the test."""
    tunings: tuple[TuningView, ...]
    """Searches for a setting."""
    brief: str
    """First sentence, for cards that start closed."""
    is_open: bool
    """True for tests that open the report."""
    omitted: str
    """Says so when charts were left out to keep the page small."""
    search: str
    """Lower-case words the filter looks at."""


def make_card(
    test: Json, anchor: str, *, is_final: bool, with_charts: bool, position: int = 0
) -> Card:
    """Return the card of `test`, which is number `position` in the document."""
    outcome = outcome_of(test["outcome"])
    views = _views(test, position, with_charts=with_charts)
    sweeps = tuple(make_sweep(each) for each in test.get("sweeps", ()))
    tunings = tuple(make_tuning(each) for each in test.get("tunings", ()))
    sentences = [gate.sentence for view in views for gate in view.gates]
    sentences += [each.lead for each in sweeps] + [each.lead for each in tunings]
    return Card(
        anchor=anchor,
        nodeid=test["nodeid"],
        outcome=outcome,
        location=test["location"],
        meta=_meta(test, is_final=is_final),
        error=_error(test),
        rerun=f"pytest {shlex.quote(test['nodeid'])}",
        runs=views,
        sweeps=sweeps,
        tunings=tunings,
        brief="" if outcome.has_card else " ".join(sentences[:1]),
        is_open=outcome.has_card,
        omitted=""
        if with_charts
        else "Charts of this test were left out to keep the page small; the JSON file has the data.",
        search=_search_words(test, outcome),
    )


def _views(test: Json, position: int, *, with_charts: bool) -> tuple[RunView, ...]:
    runs = test["runs"]
    return tuple(
        run_view(
            run,
            f"Run {k + 1} of {len(runs)}" if len(runs) > 1 else "",
            f"{position}/{k}",
            with_charts=with_charts,
            since=tuple(since_sentences(test, k)),
            past=past_charts(test, k) if with_charts else (),
        )
        for k, run in enumerate(runs)
    )


def card_order(test: Json) -> tuple[int, float]:
    """Sort key: wrong outputs and crashes first, then by verdict, worst margin first."""
    worst_margin = max(
        (
            margin(each)
            for run in test["runs"]
            for each in run["findings"]
            if each["verdict"] != "met"
        ),
        default=0.0,
    )
    return outcome_of(test["outcome"]).rank, -worst_margin


def _error(test: Json) -> str:
    """Return the failure text unless a headline says the same already."""
    error = test.get("error") or ""
    headlines = [each["headline"] for run in test["runs"] for each in run["findings"]]
    return "" if error and any(error in headline for headline in headlines) else error


def _meta(test: Json, *, is_final: bool) -> str:
    parts = [f"shard {one_line(test['shard'])}"] if test.get("shard") else []
    attempt = test.get("attempt") or 1
    if attempt > 1 or not is_final:
        parts.append(f"attempt {attempt}" + ("" if is_final else ", superseded by a later one"))
    if test.get("seconds"):
        parts.append(f"measured for {units.seconds(test['seconds'])}")
    if test.get("worker") and test["worker"] != "master":
        parts.append(f"on worker {test['worker']}")
    return " · ".join(parts)


def _search_words(test: Json, outcome: Outcome) -> str:
    executors = sorted({str(arm["executor"]) for run in test["runs"] for arm in run["arms"]})
    tags = [f"status:{outcome.name}", *(f"exec:{name}" for name in executors)]
    if outcome.rank <= 1:
        tags.append("status:fail")
    return f"{test['nodeid']} {' '.join(tags)}".lower()
