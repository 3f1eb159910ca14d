"""Required values as lines through the rows of a bar chart, with their tolerance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_pipeline.report import units
from pytest_pipeline.report.charts.axis import Axis
from pytest_pipeline.report.words import Json

WIDTH = 760
ROW = 26
LABEL_LINE = 16
CHAR = 6.6
"""Widest average character of the 12 px chart font, pixels."""

_Key = tuple[float, float, bool]
"""Limit, effective limit, and whether it is a minimum."""


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


def place_limits(
    findings: Sequence[Sequence[Json]], axis: Axis, unit: str
) -> tuple[float, tuple[Limit, ...]]:
    """Return where the first row begins, and a line per distinct limit of the `findings` of each row.

    Labels sit on their lines, each on its own text line.
    """
    spans: dict[_Key, list[int]] = {}
    for k, of_row in enumerate(findings):
        for each in of_row:
            if each["limit"] is not None:
                key = (each["limit"], each["effective_limit"], each["is_minimum"])
                spans.setdefault(key, []).append(k)
    top = LABEL_LINE * max(1, len(spans)) + 4
    limits = []
    for line, (key, rows) in enumerate(sorted(spans.items())):
        whole = len(spans) == 1
        first, last = (0, len(findings) - 1) if whole else (min(rows), max(rows))
        limits.append(_limit(key, axis, unit, line, (top + first * ROW, top + (last + 1) * ROW)))
    return top, tuple(limits)


def _limit(key: _Key, axis: Axis, unit: str, line: int, span: tuple[float, float]) -> Limit:
    value, effective, is_minimum = key
    x, other = axis.at(value), axis.at(effective)
    label = f"{'at least' if is_minimum else 'at most'} {units.quantity(value, unit)}"
    half = len(label) * CHAR / 2
    anchor = "start" if x - half < axis.start else "end" if x + half > WIDTH else "middle"
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
