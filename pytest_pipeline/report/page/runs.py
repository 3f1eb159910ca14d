"""One `pipeline.run` of a test: its gates, the sentences that explain them, then charts and tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pytest_pipeline.report import units
from pytest_pipeline.report.charts.barchart import BarChart
from pytest_pipeline.report.charts.bars import gated_charts, latency_chart, speedup_chart
from pytest_pipeline.report.charts.curve import LatencyChart, latency_curves
from pytest_pipeline.report.charts.rounds import RoundChart, round_charts
from pytest_pipeline.report.gates import Gate, gate_order, make_gate
from pytest_pipeline.report.page.arms import (
    ArmView,
    arm_table,
    arm_view,
    bottleneck_sentence,
    fastest_sentence,
)
from pytest_pipeline.report.table import Table
from pytest_pipeline.report.words import Json

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


def run_view(
    run: Json,
    title: str,
    address: str,
    *,
    with_charts: bool,
    since: Sequence[tuple[str, str]] = (),
    past: tuple[RoundChart, ...] = (),
) -> RunView:
    """Return one run of a test; `address` names its timelines in the page, `since` and `past` come from the history."""
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
