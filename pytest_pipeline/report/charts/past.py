"""The last sessions of an arm as a chart: this class of machine filled, others hollow, steps marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_pipeline.report import units
from pytest_pipeline.report.changes import QUANTITIES
from pytest_pipeline.report.charts.axis import Axis, make_axis
from pytest_pipeline.report.charts.frame import LimitMark, make_frame
from pytest_pipeline.report.charts.rounds import BOX, Dot, RoundChart
from pytest_pipeline.report.facts import readable_time
from pytest_pipeline.report.text import one_line, shorten
from pytest_pipeline.report.words import Json

_FIELDS = {
    "speedup": ("speedup", "x"),
    "p99_latency": ("p99_s", "s"),
    "throughput": ("throughput_per_s", "1/s"),
}
"""Quantity -> field of a point, unit; a chart for each that is gated, else for the first that is known."""


@dataclass(frozen=True, slots=True)
class _Drawn:
    name: str
    field: str
    unit: str
    limit: float | None


def past_charts(test: Json, number: int) -> tuple[RoundChart, ...]:
    """Return the charts of run `number` of `test`; none without an earlier session."""
    found = [
        _chart(series, drawn)
        for series in test.get("history", ())
        if series["run"] == number
        for drawn in _drawn(series, test["runs"][number]["findings"])
    ]
    return tuple(chart for chart in found if chart is not None)


def _drawn(series: Json, findings: Sequence[Json]) -> list[_Drawn]:
    limits = {
        each["quantity"]: each["limit"]
        for each in findings
        if each["executor"] == series["executor"] and not each["cold"]
    }
    known = [
        _Drawn(name, field, unit, limits.get(name))
        for name, (field, unit) in _FIELDS.items()
        if series["points"][-1][field] is not None
    ]
    return [each for each in known if each.name in limits] or known[:1]


def _chart(series: Json, drawn: _Drawn) -> RoundChart | None:
    points = [each for each in series["points"] if each[drawn.field] is not None]
    if len(points) < 2:
        return None
    values = [float(each[drawn.field]) for each in points]
    axis = make_axis(
        [*values, drawn.limit],
        start=BOX.bottom,
        length=BOX.top - BOX.bottom,
        unit=drawn.unit,
        most_ticks=4,
    )
    steps = _steps(series, drawn.name, points)
    title = f"History of {shorten(series['executor'], 40)}: {QUANTITIES[drawn.name]}"
    dots = _dots(points, values, axis, drawn.unit, steps)
    summary = f"{title}: {'; '.join(dot.title for dot in dots)}"
    return RoundChart(
        frame=make_frame(title, summary, BOX, axis, _limit_mark(drawn, axis)),
        label_y=BOX.bottom + 18,
        dots=dots,
        confirm_x=round(dots[max(steps)].x - 8, 1) if steps else None,
        first_label=readable_time(points[0]["created"]),
        last_label="this session",
        caption=_caption(series, dots, has_steps=bool(steps)),
    )


def _limit_mark(drawn: _Drawn, axis: Axis) -> LimitMark | None:
    if drawn.limit is None:
        return None
    y = axis.at(drawn.limit)
    return LimitMark(y, f"limit {units.quantity(drawn.limit, drawn.unit)}", BOX.right + 6, y + 4)


def _steps(series: Json, name: str, points: Sequence[Json]) -> set[int]:
    """Return the points at which a level begins; steps count sessions of this machine, back from the last."""
    alike = [k for k, each in enumerate(points) if not each["machine"]]
    back = [
        step for each in series["changes"] if each["quantity"] == name for step in each["steps"]
    ]
    return {alike[-1 - step] for step in back if step < len(alike)}


def _dots(
    points: Sequence[Json], values: Sequence[float], axis: Axis, unit: str, steps: set[int]
) -> tuple[Dot, ...]:
    gap = (BOX.right - BOX.left - 24) / (len(points) - 1)
    return tuple(
        Dot(
            x=round(BOX.left + 12 + k * gap, 1),
            y=axis.at(value),
            css="dirty" if point["machine"] else "clean",
            title=_title(point, units.quantity(value, unit), is_step=k in steps),
        )
        for k, (point, value) in enumerate(zip(points, values, strict=True))
    )


def _title(point: Json, value: str, *, is_step: bool) -> str:
    parts = [readable_time(point["created"]), one_line(point["commit"])[:12], value]
    parts.append(f"other machine ({one_line(point['machine'])})" if point["machine"] else "")
    parts.append("step" if is_step else "")
    return ", ".join(part for part in parts if part)


def _caption(series: Json, dots: Sequence[Dot], *, has_steps: bool) -> str:
    parts = [units.count(len(dots), "session")]
    if any(dot.css == "dirty" for dot in dots):
        parts.append("hollow: another machine, never compared with")
    if has_steps:
        parts.append("dotted: the last step")
    if series["others"]:
        parts.append(f"{units.count(series['others'], 'session')} of another workload not shown")
    return " · ".join(parts)
