"""What charts over two axes share: where they stand, and the limit that lies through them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol, TypeVar

from pytest_pipeline.report.charts.axis import Axis, Tick

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


class Named(Protocol):
    """A frozen dataclass with a name in the chart."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def label_y(self) -> float:
        """Height of the name."""
        ...


Curve = TypeVar("Curve", bound=Named)


def spread(curves: Sequence[Curve], box: Box) -> tuple[Curve, ...]:
    """Return `curves` from the top, their names moved: none on another, none outside `box`; each keeps its colour."""
    ordered = sorted(curves, key=lambda each: each.label_y)
    placed: list[float] = []
    for curve in ordered:
        placed.append(max(curve.label_y, placed[-1] + NAME_HEIGHT if placed else box.top + 4))
    lowest = box.height - 4
    for k in range(len(placed) - 1, -1, -1):
        placed[k] = min(placed[k], lowest)
        lowest = placed[k] - NAME_HEIGHT
    return tuple(replace(each, label_y=y) for each, y in zip(ordered, placed, strict=True))
