"""The parts of an item's way through a device as bars, with the bound as a line through them."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_pipeline.report import units
from pytest_pipeline.report.charts.axis import Axis, make_axis
from pytest_pipeline.report.charts.barchart import BAR, LEFT, Bar, BarChart, place_bars
from pytest_pipeline.report.charts.limits import CHAR, LABEL_LINE, ROW, WIDTH, Limit
from pytest_pipeline.report.text import one_line, shorten
from pytest_pipeline.report.words import Json

VALUE_ROOM = 240
"""Pixels right of the axis: time, bytes and bandwidth stand there."""

_TOP = LABEL_LINE + 4


def part_chart(run: Json) -> BarChart | None:
    """Return the bars of one device: every part alone, both copies together, the makespan; None without parts."""
    rows = _rows(run)
    if rows is None:
        return None
    bound = run["bound_s"]
    axis = make_axis(
        [*(value for _, value, _ in rows), bound],
        start=LEFT,
        length=WIDTH - LEFT - VALUE_ROOM,
        unit="s",
    )
    bars = tuple(_bar(row, axis, k) for k, row in enumerate(rows))
    bottom = _TOP + len(rows) * ROW
    limits = () if bound is None else (_line(bound, axis, bottom),)
    title = "Parts measured alone, sums over all items"
    caption = "dashed line: the shortest makespan that they allow" if limits else ""
    summary = _summary(bars, limits)
    return place_bars(
        bars,
        limits,
        axis,
        _TOP,
        value_room=VALUE_ROOM,
        title=title,
        summary=summary,
        caption=caption,
    )


def _rows(run: Json) -> list[tuple[str, float, str]] | None:
    """Label, seconds and what moved."""
    if not run["parts"]:
        return None
    rows = [(one_line(part["name"]), part["total_s"] or 0.0, _moved(part)) for part in run["parts"]]
    if run["both_ways_s"] is not None:
        rows.append(("H2D + D2H at once", run["both_ways_s"], ""))
    return [*rows, ("makespan", run["makespan_s"] or 0.0, "")]


def _moved(part: Json) -> str:
    if not part["bytes"] or not part["total_s"]:
        return ""
    return f"{units.size(part['bytes'])}, {units.size(part['bytes'] / part['total_s'])}/s"


def _bar(row: tuple[str, float, str], axis: Axis, k: int) -> Bar:
    label, value, moved = row
    end = axis.at(value)
    middle = _TOP + k * ROW + ROW / 2
    shown = units.seconds(value)
    return Bar(
        label=shorten(label, 18),
        title=f"{label}: {shown}" + (f", {moved}" if moved else ""),
        css="c0" if label == "makespan" else "plain",
        text_y=middle + 4,
        y=middle - BAR / 2,
        width=round(max(1.0, end - LEFT), 1),
        middle=middle,
        whisker=None,
        whisker_path="",
        value=shown,
        range=moved,
        value_x=WIDTH
        - VALUE_ROOM
        + 12,  # a column: at its bar's end the line of the bound would cross it
        range_x=WIDTH - VALUE_ROOM + 80,
    )


def _line(bound: float, axis: Axis, bottom: float) -> Limit:
    x = axis.at(bound)
    label = f"bound {units.seconds(bound)}"
    half = len(label) * CHAR / 2
    anchor = "start" if x - half < LEFT else "end" if x + half > WIDTH else "middle"
    return Limit(
        x=x,
        top=LABEL_LINE,
        row_top=_TOP,
        bottom=bottom,
        label=label,
        label_x=x,
        label_y=11,
        label_anchor=anchor,
        band_x=x,
        band_width=0.0,
        band_height=bottom - _TOP,
    )


def _summary(bars: Sequence[Bar], limits: Sequence[Limit]) -> str:
    return "; ".join([*(bar.title for bar in bars), *(limit.label for limit in limits)])
