"""A bar per executor for one quantity, with whiskers, and the limits through them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_pipeline.report import units
from pytest_pipeline.report.charts.axis import Axis, Tick, make_axis
from pytest_pipeline.report.charts.limits import ROW, WIDTH, Limit, place_limits
from pytest_pipeline.report.text import shorten
from pytest_pipeline.report.words import Json, worst

LEFT = 128
VALUE_ROOM = 190
"""Pixels kept free right of the axis, so that the longest value label is never cut."""
BAR = 14


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
class Entry:
    """What one executor brings to a chart."""

    label: str
    """Executor and its workers."""
    estimate: Json
    """Value and interval."""
    findings: Sequence[Json]
    """What was demanded of it; may be empty."""


def make_bar_chart(title: str, entries: Sequence[Entry], unit: str) -> BarChart | None:
    """Return the bars of `entries`; None for a single one of which nothing was demanded."""
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
    top, limits = place_limits([entry.findings for entry in entries], axis, unit)
    bars = tuple(_bar(entry, axis, top + k * ROW, unit) for k, entry in enumerate(entries))
    summary, caption = _summary(title, bars, limits), _caption(bars, limits)
    return place_bars(bars, limits, axis, top, title=title, summary=summary, caption=caption)


def place_bars(
    bars: tuple[Bar, ...],
    limits: tuple[Limit, ...],
    axis: Axis,
    top: float,
    *,
    value_room: float = VALUE_ROOM,
    title: str,
    summary: str,
    caption: str,
) -> BarChart:
    """Return the chart around bars that stand in rows from `top` on, with `value_room` pixels right of them."""
    bottom = top + len(bars) * ROW
    return BarChart(
        title=title,
        summary=summary,
        width=WIDTH,
        height=bottom + 24,
        left=LEFT,
        label_x=LEFT - 8,
        right=WIDTH - value_room,
        top=top,
        bottom=bottom,
        tick_y=bottom + 16,
        bar_height=BAR,
        bars=bars,
        limits=limits,
        ticks=axis.ticks,
        caption=caption,
    )


def _bar(entry: Entry, axis: Axis, y: float, unit: str) -> Bar:
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
