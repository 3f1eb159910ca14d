"""Speedup over a number that was varied (workers, rows): one curve per executor, with whiskers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_pipeline.report import units
from pytest_pipeline.report.charts.axis import Axis, Tick, make_axis
from pytest_pipeline.report.charts.frame import Box, Frame, LimitMark, make_frame, spread
from pytest_pipeline.report.palette import SERIES
from pytest_pipeline.report.text import shorten

BOX = Box(width=760, height=250, left=64, right=620, top=16, bottom=200)
"""Names of the curves stand right of the area."""
_TICK_ROOM = 34
"""Least distance of two labels on the x axis, pixels."""

Sample = tuple[float, float, float | None, float | None]
"""x, value, lower and upper end of the interval."""


@dataclass(frozen=True, slots=True)
class GrowthCurve:
    """One executor."""

    label: str
    label_y: float
    css: str
    """Series colour."""
    points: str
    """Polyline points."""
    whiskers: str
    """SVG path of all intervals; empty without any."""
    dots: tuple[tuple[float, float, str], ...]
    """x, y and tooltip of each measured point."""


@dataclass(frozen=True, slots=True)
class GrowthChart:
    """Curves over one axis."""

    frame: Frame
    caption: str
    x_label: str
    tick_y: float
    name_y: float
    """Of the axis' name."""
    label_x: float
    curves: tuple[GrowthCurve, ...]
    x_ticks: tuple[Tick, ...]
    even_y: float
    """Where the candidate is as fast as the baseline."""
    ideal: str
    """SVG path of ideal scaling; empty when there is none."""


def growth_chart(
    series: Mapping[str, Sequence[Sample]],
    *,
    title: str,
    x_label: str,
    ideal_per_x: float | None = None,
    limit: float | None = None,
) -> GrowthChart | None:
    """Return the chart; None when no curve has two points, which no line can join.

    `ideal_per_x` is the speedup that one unit of x would add if scaling were ideal, `limit` the one that is
    required everywhere.
    """
    curves = {name: sorted(samples) for name, samples in series.items() if samples}
    if not any(len(samples) > 1 for samples in curves.values()):
        return None
    samples = [sample for each in curves.values() for sample in each]
    values = [end for _, *ends in samples for end in ends if end is not None]
    y_axis = make_axis(
        [*values, 1.0, limit],
        start=BOX.bottom,
        length=BOX.top - BOX.bottom,
        unit="x",
        most_ticks=4,
    )
    xs = sorted({sample[0] for sample in samples})
    x_axis = Axis(0.0, max(xs), BOX.left, BOX.right - BOX.left, ())
    summary = _summary(title, x_label, curves)
    return GrowthChart(
        frame=make_frame(title, summary, BOX, y_axis, _limit_mark(limit, y_axis)),
        caption=_caption(samples, has_ideal=ideal_per_x is not None),
        x_label=x_label,
        tick_y=BOX.bottom + 16,
        name_y=BOX.bottom + 36,
        label_x=BOX.right + 8,
        curves=spread(
            [_curve(k, *each, x_axis, y_axis) for k, each in enumerate(curves.items())], BOX
        ),
        x_ticks=tuple(_ticks(xs, x_axis)),
        even_y=y_axis.at(1.0),
        ideal="" if ideal_per_x is None else _ideal(ideal_per_x, x_axis, y_axis),
    )


def _limit_mark(limit: float | None, axis: Axis) -> LimitMark | None:
    """Place the label at the left, below the line: curves and their names are at the right."""
    if limit is None:
        return None
    y = axis.at(limit)
    return LimitMark(y, f"limit {units.ratio(limit)}", BOX.left + 6, y + 14)


def _curve(
    number: int, name: str, samples: Sequence[Sample], x_axis: Axis, y_axis: Axis
) -> GrowthCurve:
    placed = [(x_axis.at(x), y_axis.at(value)) for x, value, _, _ in samples]
    return GrowthCurve(
        label=shorten(name, 18),
        label_y=placed[-1][1] + 4,
        css=SERIES[number % len(SERIES)],
        points=" ".join(f"{x:g},{y:g}" for x, y in placed),
        whiskers="".join(_whisker(sample, x_axis, y_axis) for sample in samples),
        dots=tuple(
            (x, y, f"{name} at {amount(sample[0])}: {_reading(sample)}")
            for (x, y), sample in zip(placed, samples, strict=True)
        ),
    )


def _whisker(sample: Sample, x_axis: Axis, y_axis: Axis) -> str:
    x, _, lower, upper = sample
    if lower is None or upper is None:
        return ""
    at, low, high = x_axis.at(x), y_axis.at(lower), y_axis.at(upper)
    return f"M{at - 3:g} {low:g}h6M{at:g} {low:g}V{high:g}M{at - 3:g} {high:g}h6"


def _ticks(xs: Sequence[float], axis: Axis) -> list[Tick]:
    """Label the measured values themselves, the last one always, none on top of another."""
    kept: list[Tick] = []
    for x in reversed(xs):
        if not kept or kept[-1].at - axis.at(x) >= _TICK_ROOM:
            kept.append(Tick(axis.at(x), amount(x)))
    return kept[::-1]


def _ideal(per_x: float, x_axis: Axis, y_axis: Axis) -> str:
    end = min(x_axis.upper, y_axis.upper / per_x)
    return f"M{x_axis.at(0):g} {y_axis.at(0):g}L{x_axis.at(end):g} {y_axis.at(end * per_x):g}"


def _caption(samples: Sequence[Sample], *, has_ideal: bool) -> str:
    parts = ["whiskers: 95 % intervals"] if any(sample[2] for sample in samples) else []
    if has_ideal:
        parts.append("dashed: the best single worker times the number of workers")
    return " · ".join(parts)


def _summary(title: str, x_label: str, curves: dict[str, list[Sample]]) -> str:
    parts = [
        f"{name} {', '.join(f'{_reading(sample)} at {amount(sample[0])}' for sample in samples)}"
        for name, samples in curves.items()
    ]
    return f"{title}; {x_label}: {'; '.join(parts)}"


def _reading(sample: Sample) -> str:
    interval = units.interval(sample[2], sample[3], "x")
    return units.ratio(sample[1]) + (f" ({interval})" if interval else "")


def amount(value: float) -> str:
    """Return a varied number as people write it: `4`, `25,000`, `0.5`."""
    return f"{value:,.0f}" if float(value).is_integer() else units.significant(value)
