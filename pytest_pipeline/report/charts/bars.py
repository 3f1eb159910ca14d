"""Which bars a run has: speedup, latency, and every other quantity that has a gate."""

from __future__ import annotations

from pytest_pipeline.report.charts.barchart import BarChart, Entry, make_bar_chart
from pytest_pipeline.report.quantities import SHOWN_FOR_EVERY_ARM, words_of
from pytest_pipeline.report.words import Json


def speedup_chart(run: Json, *, cold: bool) -> BarChart | None:
    """Return the bars of speedup (or speedup with start-up counted); None when nothing was measured."""
    field = "cold_speedup" if cold else "speedup"
    entries = []
    for arm in run["arms"]:
        found = [
            each
            for each in run["findings"]
            if each["quantity"] == "speedup"
            and each["cold"] is cold
            and each["executor"] == arm["executor"]
        ]
        estimate = arm[field] or next(
            (each["estimate"] for each in found if each["estimate"]), None
        )
        if estimate is None and arm["is_baseline"] and arm["makespan_s"] is not None:
            estimate = {"value": 1.0, "lower": None, "upper": None, "unit": "x"}
        if estimate is not None:
            entries.append(Entry(_arm_label(arm), estimate, found))
    title = "Speedup over the baseline" + (", start-up counted" if cold else "")
    return make_bar_chart(title, entries, "x")


def latency_chart(run: Json) -> BarChart | None:
    """Return the bars of p99 latency; None when no latency is known.

    Where a gate offers items at a rate, an arm to which nobody offered them has no place beside it.
    """
    gated = {each["executor"] for each in run["findings"] if each["quantity"] == "p99_latency"}
    loops = {
        arm["latency"]["loop"] for arm in run["arms"] if arm["latency"] and arm["executor"] in gated
    } or {"closed"}
    entries = []
    for arm in run["arms"]:
        found = [
            each
            for each in run["findings"]
            if each["quantity"] == "p99_latency" and each["executor"] == arm["executor"]
        ]
        estimate = next((each["estimate"] for each in found if each["estimate"]), None)
        latency = arm["latency"]
        if estimate is None and latency and latency["loop"] in loops - {"saturated"}:
            estimate = {"value": latency["p99_s"], "lower": None, "upper": None, "unit": "s"}
        if estimate is not None:
            entries.append(Entry(_arm_label(arm), estimate, found))
    if not any(entry.findings for entry in entries):
        return None
    return make_bar_chart("p99 latency", entries, "s")


def gated_charts(run: Json) -> list[BarChart]:
    """Return the bars of every other quantity that has a gate, all arms that have a value beside it."""
    first: dict[str, Json] = {}
    for each in run["findings"]:
        if each["estimate"] and each["quantity"] not in SHOWN_FOR_EVERY_ARM:
            first.setdefault(each["quantity"], each)
    charts = (_gated_chart(run, finding) for finding in first.values())
    return [chart for chart in charts if chart is not None]


def _gated_chart(run: Json, finding: Json) -> BarChart | None:
    words, unit = words_of(finding), finding["unit"]
    entries = []
    for arm in run["arms"]:
        found = [
            each
            for each in run["findings"]
            if each["quantity"] == finding["quantity"] and each["executor"] == arm["executor"]
        ]
        estimate = next((each["estimate"] for each in found if each["estimate"]), None)
        if estimate is None and arm.get(words.field) is not None:
            estimate = {"value": arm[words.field], "lower": None, "upper": None, "unit": unit}
        if estimate is not None:
            entries.append(Entry(_arm_label(arm), estimate, found))
    return make_bar_chart(words.chart, entries, unit)


def _arm_label(arm: Json) -> str:
    return (
        f"{arm['executor']} ({arm['workers']})" if not arm["is_baseline"] else str(arm["executor"])
    )
