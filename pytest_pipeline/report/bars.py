"""Bars of all executors for one quantity, with whiskers, and the limit as a line through them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_pipeline.report import units
from pytest_pipeline.report.axis import Axis, Tick, make_axis
from pytest_pipeline.report.quantities import SHOWN_FOR_EVERY_ARM, words_of
from pytest_pipeline.report.text import shorten
from pytest_pipeline.report.words import Json, worst

LEFT = 128
WIDTH = 760
VALUE_ROOM = 190
"""Pixels kept free right of the axis, so that the longest value label is never cut."""
ROW = 26
BAR = 14
LABEL_LINE = 16
CHAR = 6.6
"""Widest average character of the 12 px chart font, pixels."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One executor."""

    label: str
    """Executor and its workers."""
    title: str
    """Full text for the tooltip."""
    css: str
    """Verdict class, or `plain` when nothing was demanded of it."""
    text_y: float
    y: float
    width: float
    middle: float
    whisker: tuple[float, float] | None
    """Pixels of the interval's ends."""
    whisker_path: str
    """SVG path of the interval with its caps; empty without an interval."""
    value: str
    """Value, at the bar's own end."""
    range: str
    """Interval, in a column of its own where no line crosses it."""
    value_x: float
    range_x: float


@dataclass(frozen=True, slots=True)
class Limit:
    """One required value."""

    x: float
    top: float
    """Below its label."""
    row_top: float
    """Top of the first bar it binds."""
    bottom: float
    label: str
    label_x: float
    label_y: float
    label_anchor: str
    """SVG text-anchor."""
    band_x: float
    """Tolerance zone between limit and effective limit."""
    band_width: float
    band_height: float


@dataclass(frozen=True, slots=True)
class BarChart:
    """All bars of one quantity."""

    title: str
    """Quantity in words."""
    summary: str
    """The same content as one sentence, for those who cannot see the picture."""
    width: float
    height: float
    left: float
    label_x: float
    right: float
    top: float
    bottom: float
    tick_y: float
    bar_height: float
    bars: tuple[Bar, ...]
    limits: tuple[Limit, ...]
    ticks: tuple[Tick, ...]
    caption: str


@dataclass(frozen=True, slots=True)
class _Entry:
    label: str
    estimate: Json
    findings: Sequence[Json]


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
            entries.append(_Entry(_arm_label(arm), estimate, found))
    title = "Speedup over the baseline" + (", start-up counted" if cold else "")
    return _chart(title, entries, "x")


def latency_chart(run: Json) -> BarChart | None:
    """Return the bars of p99 latency; None when no latency is known."""
    entries = []
    for arm in run["arms"]:
        found = [
            each
            for each in run["findings"]
            if each["quantity"] == "p99_latency" and each["executor"] == arm["executor"]
        ]
        estimate = next((each["estimate"] for each in found if each["estimate"]), None)
        latency = arm["latency"]
        if estimate is None and latency and latency["loop"] != "saturated":
            estimate = {"value": latency["p99_s"], "lower": None, "upper": None, "unit": "s"}
        if estimate is not None:
            entries.append(_Entry(_arm_label(arm), estimate, found))
    if not any(entry.findings for entry in entries):
        return None
    return _chart("p99 latency", entries, "s")


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
            entries.append(_Entry(_arm_label(arm), estimate, found))
    return _chart(words.chart, entries, unit)


def _arm_label(arm: Json) -> str:
    return (
        f"{arm['executor']} ({arm['workers']})" if not arm["is_baseline"] else str(arm["executor"])
    )


def _chart(title: str, entries: Sequence[_Entry], unit: str) -> BarChart | None:
    entries = [entry for entry in entries if entry.estimate["value"] is not None]
    if len(entries) < 1 or not any(entry.findings or len(entries) > 1 for entry in entries):
        return None
    values = [
        value
        for entry in entries
        for value in (
            entry.estimate["value"],
            entry.estimate["upper"],
            *(each["limit"] for each in entry.findings),
            *(each["effective_limit"] for each in entry.findings),
        )
    ]
    axis = make_axis(values, start=LEFT, length=WIDTH - LEFT - VALUE_ROOM, unit=unit)
    top, limits = _limits(entries, axis, unit)
    bars = tuple(_bar(entry, axis, top + k * ROW, unit) for k, entry in enumerate(entries))
    bottom = top + len(entries) * ROW
    return BarChart(
        title=title,
        summary=_summary(title, bars, limits),
        width=WIDTH,
        height=bottom + 24,
        left=LEFT,
        label_x=LEFT - 8,
        right=WIDTH - VALUE_ROOM,
        top=top,
        bottom=bottom,
        tick_y=bottom + 16,
        bar_height=BAR,
        bars=bars,
        limits=limits,
        ticks=axis.ticks,
        caption=_caption(bars, limits),
    )


def _bar(entry: _Entry, axis: Axis, y: float, unit: str) -> Bar:
    estimate = entry.estimate
    lower, upper = estimate["lower"], estimate["upper"]
    end = axis.at(estimate["value"])
    whisker = None if lower is None or upper is None else (axis.at(lower), axis.at(upper))
    bounds = units.interval(lower, upper, unit)
    value = units.quantity(estimate["value"], unit)
    css = worst(each["verdict"] for each in entry.findings).name if entry.findings else "plain"
    middle = y + ROW / 2
    return Bar(
        label=shorten(entry.label, 18),
        title=f"{entry.label}: {value}" + (f", interval {bounds}" if bounds else ""),
        css=css,
        text_y=middle + 4,
        y=middle - BAR / 2,
        width=round(max(1.0, end - LEFT), 1),
        middle=middle,
        whisker=whisker,
        whisker_path="" if whisker is None else _whisker(whisker, middle),
        value=value,
        range=f"{bounds}" if bounds else "",
        range_x=WIDTH - VALUE_ROOM + 62,
        value_x=round(max(end, whisker[1] if whisker else 0) + 8, 1),
    )


def _whisker(ends: tuple[float, float], middle: float) -> str:
    low, high = ends
    caps = "".join(f"M{x:g} {middle - 5:g}v10" for x in ends)
    return f"M{low:g} {middle:g}H{high:g}{caps}"


def _limits(entries: Sequence[_Entry], axis: Axis, unit: str) -> tuple[float, tuple[Limit, ...]]:
    """Place one line per distinct limit; labels sit on their lines, each on its own text line."""
    spans: dict[tuple[float, float, bool], list[int]] = {}
    for k, entry in enumerate(entries):
        for each in entry.findings:
            if each["limit"] is not None:
                key = (each["limit"], each["effective_limit"], each["is_minimum"])
                spans.setdefault(key, []).append(k)
    top = LABEL_LINE * max(1, len(spans)) + 4
    limits = []
    for line, (key, rows) in enumerate(sorted(spans.items())):
        whole = len(spans) == 1
        first, last = (0, len(entries) - 1) if whole else (min(rows), max(rows))
        limits.append(_limit(key, axis, unit, line, (top + first * ROW, top + (last + 1) * ROW)))
    return top, tuple(limits)


def _limit(
    key: tuple[float, float, bool], axis: Axis, unit: str, line: int, span: tuple[float, float]
) -> Limit:
    value, effective, is_minimum = key
    x, other = axis.at(value), axis.at(effective)
    label = f"{'at least' if is_minimum else 'at most'} {units.quantity(value, unit)}"
    half = len(label) * CHAR / 2
    anchor = "start" if x - half < LEFT else "end" if x + half > WIDTH else "middle"
    return Limit(
        x=x,
        top=line * LABEL_LINE + LABEL_LINE,
        row_top=span[0],
        bottom=span[1],
        label=label,
        label_x=x,
        label_y=line * LABEL_LINE + 11,
        label_anchor=anchor,
        band_x=min(x, other),
        band_width=round(abs(x - other), 1),
        band_height=span[1] - span[0],
    )


def _summary(title: str, bars: Sequence[Bar], limits: Sequence[Limit]) -> str:
    parts = [bar.title for bar in bars] + [f"limit {limit.label}" for limit in limits]
    return f"{title}: {'; '.join(parts)}"


def _caption(bars: Sequence[Bar], limits: Sequence[Limit]) -> str:
    parts = []
    if limits:
        parts.append("dashed line: the limit")
    if any(limit.band_width >= 1 for limit in limits):
        parts.append("shaded: its tolerance")
    if any(bar.whisker for bar in bars):
        parts.append("whisker: 95 % interval")
    return " · ".join(parts)
