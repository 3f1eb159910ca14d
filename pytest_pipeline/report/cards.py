"""One test of the report: the sentences first, then charts, tables and timelines."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pytest_pipeline.report import units
from pytest_pipeline.report.arms import (
    ArmView,
    arm_table,
    arm_view,
    bottleneck_sentence,
    fastest_sentence,
)
from pytest_pipeline.report.barchart import BarChart
from pytest_pipeline.report.bars import gated_charts, latency_chart, speedup_chart
from pytest_pipeline.report.changes import since_sentences
from pytest_pipeline.report.curve import LatencyChart, latency_curves
from pytest_pipeline.report.gates import Gate, gate_order, make_gate, margin
from pytest_pipeline.report.past import past_charts
from pytest_pipeline.report.rounds import RoundChart, round_charts
from pytest_pipeline.report.sweeps import SweepView, make_sweep
from pytest_pipeline.report.table import Table
from pytest_pipeline.report.text import one_line
from pytest_pipeline.report.tunings import TuningView, make_tuning
from pytest_pipeline.report.words import Json, Outcome, outcome_of

NEXT = "Do next"
"""Label of the one thing to do."""


@dataclass(frozen=True, slots=True)
class RunView:
    """One `pipeline.run` of a test."""

    title: str
    """Empty when the test has only one run."""
    gates: tuple[Gate, ...]
    """Most urgent first."""
    is_marked: bool
    """True when every gate needs its own verdict, because there are several."""
    bars: tuple[BarChart, ...]
    facts: tuple[tuple[str, str], ...]
    """Label and text: causes, evidence, next steps, limits; each said once."""
    fastest: str
    warnings: tuple[str, ...]
    plan: str
    """Stages, workers, items, repeats and check in one sentence."""
    arms: Table
    rounds: tuple[RoundChart, ...]
    past: tuple[RoundChart, ...]
    """Earlier sessions, the present one last; empty without a history."""
    latency: LatencyChart | None
    views: tuple[ArmView, ...]
    """Per arm: stages, ledger, timeline, resources."""


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
    runs = test["runs"]
    views = tuple(
        _run_view(
            run,
            f"Run {k + 1} of {len(runs)}" if len(runs) > 1 else "",
            f"{position}/{k}",
            with_charts=with_charts,
            since=tuple(since_sentences(test, k)),
            past=past_charts(test, k) if with_charts else (),
        )
        for k, run in enumerate(runs)
    )
    sweeps = tuple(make_sweep(each) for each in test.get("sweeps", ()))
    sentences = [gate.sentence for view in views for gate in view.gates]
    tunings = tuple(make_tuning(each) for each in test.get("tunings", ()))
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


def _run_view(
    run: Json,
    title: str,
    address: str,
    *,
    with_charts: bool,
    since: Sequence[tuple[str, str]] = (),
    past: tuple[RoundChart, ...] = (),
) -> RunView:
    findings = sorted(run["findings"], key=gate_order)
    charts = (
        speedup_chart(run, cold=False),
        speedup_chart(run, cold=True),
        latency_chart(run),
        *gated_charts(run),
    )
    return RunView(
        title=title,
        gates=tuple(make_gate(each) for each in findings),
        is_marked=len(findings) > 1,
        bars=tuple(chart for chart in charts if chart is not None) if with_charts else (),
        facts=tuple(_facts(run, findings, since)),
        fastest=fastest_sentence(run),
        warnings=tuple(run["warnings"]),
        plan=_plan_sentence(run),
        arms=arm_table(run),
        rounds=round_charts(run) if with_charts else (),
        past=past,
        latency=latency_curves(run) if with_charts else None,
        views=tuple(arm_view(run, arm, f"{address}/{k}") for k, arm in enumerate(run["arms"]))
        if with_charts
        else (),
    )


def _facts(
    run: Json, findings: Sequence[Json], since: Sequence[tuple[str, str]]
) -> Iterator[tuple[str, str]]:
    """Causes and next steps of what was not met, then every limit; the same text only once."""
    said: set[str] = set()
    is_crowded = len({each["executor"] for each in findings}) > 1
    for label, executor, text in _all_facts(run, findings, since):
        if text and text not in said:
            said.add(text)
            yield (f"{label} ({executor})" if executor and is_crowded else label), text


def _all_facts(
    run: Json, findings: Sequence[Json], since: Sequence[tuple[str, str]]
) -> Iterator[tuple[str, str, str]]:
    unmet = [each for each in findings if each["verdict"] != "met"]
    for each in unmet:
        gate = make_gate(each)
        yield gate.cause_label, each["executor"], gate.cause
        for line in gate.evidence:
            yield "Evidence", "", line
        yield NEXT, each["executor"], gate.next_step
    for executor, sentence in _bottlenecks(run):
        yield "Bottleneck", executor, sentence
    for executor, sentence in since:
        yield "Since baseline", executor, sentence
    for each in findings:
        yield "Limit", "", make_gate(each).demand
    for each in unmet:
        yield "Pytest said", "", make_gate(each).headline


def _bottlenecks(run: Json) -> tuple[tuple[str, str], ...]:
    """Sentences for arms with an unmet gate, unless that gate's own cause names the stage already."""
    causes: dict[str, str] = {}
    for each in run["findings"]:
        if each["verdict"] in {"missed", "inconclusive"}:
            causes[each["executor"]] = causes.get(each["executor"], "") + each["cause"]
    return tuple(
        (arm["executor"], bottleneck_sentence(arm))
        for arm in run["arms"]
        if arm["executor"] in causes
        and arm["bottleneck"]
        and arm["bottleneck"]["stage"] not in causes[arm["executor"]]
    )


def _plan_sentence(run: Json) -> str:
    stages = " → ".join(
        f"{stage['name']} x{stage['workers']}" if stage["workers"] > 1 else str(stage["name"])
        for stage in run["stages"]
    )
    parts = [stages, units.count(run["num_items"], "item") if run["num_items"] else ""]
    if run["repeats"] > 1:
        parts.append(f"{run['repeats']} executions per sample")
    is_compared = run["check"] not in {"none", "None", ""}
    parts.append(f"outputs compared: {run['check']}" if is_compared else "outputs not compared")
    parts += [_note(key, value) for key, value in run["notes"].items()]
    return " · ".join(part for part in parts if part)


def _note(key: str, value: object) -> str:
    """Return an extra fact in words; empty for nested ones, which stay in the JSON."""
    name = key.replace("_", " ")
    if isinstance(value, bool) or not isinstance(value, str | int | float) or value == "":
        return ""
    if isinstance(value, float) and key.endswith("_s"):
        return f"{name[:-2]} {units.seconds(value)}"
    if isinstance(value, float) and key.endswith("_share"):
        return f"{name} {units.percent(value)}"
    return f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
