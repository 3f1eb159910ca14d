"""What charts over two axes share: where they stand, and the limit that lies through them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_pipeline.report.axis import Axis, Tick

NAME_HEIGHT = 14
"""Of a curve's name, pixels."""


@dataclass(frozen=True, slots=True)
class Box:
    """Pixels of a chart and of the area between its axes."""

    width: float
    height: float
    left: float
    right: float
    """What stands right of it are labels."""
    top: float
    bottom: float


@dataclass(frozen=True, slots=True)
class LimitMark:
    """A required value as a line across the chart."""

    y: float
    label: str
    label_x: float
    label_y: float


@dataclass(frozen=True, slots=True)
class Frame:
    """A chart without its data."""

    title: str
    summary: str
    """The same content as text."""
    box: Box
    tick_x: float
    """Where the labels of the y axis end."""
    y_ticks: tuple[Tick, ...]
    limit: LimitMark | None
    """None when nothing was demanded."""


def make_frame(title: str, summary: str, box: Box, y_axis: Axis, limit: LimitMark | None) -> Frame:
    """Return the frame of a chart whose values stand on `y_axis`."""
    return Frame(title, summary, box, box.left - 8, y_axis.ticks, limit)


def spread(wanted: Sequence[float], box: Box) -> list[float]:
    """Return where names stand that want to be at these heights, ascending: none on another, none outside `box`."""
    placed: list[float] = []
    for y in wanted:
        placed.append(max(y, placed[-1] + NAME_HEIGHT if placed else box.top + 4))
    lowest = box.height - 4
    for k in range(len(placed) - 1, -1, -1):
        placed[k] = min(placed[k], lowest)
        lowest = placed[k] - NAME_HEIGHT
    return placed
