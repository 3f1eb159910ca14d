"""A linear axis with round ticks: values to pixels. Every limit is part of the domain by construction."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from pytest_pipeline.report import units

_NICE = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Tick:
    """One mark on an axis."""

    at: float
    """Pixels."""
    label: str
    """Value with its unit."""


@dataclass(frozen=True, slots=True)
class Axis:
    """Maps `lower`..`upper` to `start`..`start + length` pixels (`length` is negative for a y axis)."""

    lower: float
    """Smallest value shown."""
    upper: float
    """Largest value shown."""
    start: float
    """Pixel of `lower`."""
    length: float
    """Pixels to `upper`."""
    ticks: tuple[Tick, ...]
    """Round marks."""

    def at(self, value: float) -> float:
        """Return the pixel of `value`, clamped to the axis, with one decimal."""
        share = (value - self.lower) / (self.upper - self.lower)
        return round(self.start + min(1.0, max(0.0, share)) * self.length, 1)


def make_axis(
    values: Iterable[float | None], *, start: float, length: float, unit: str, most_ticks: int = 6
) -> Axis:
    """Return an axis from zero that holds all `values`, limits included, ending on a round tick."""
    known = [value for value in values if value is not None and math.isfinite(value) and value > 0]
    top = min(max(known, default=1.0), 1e300) or 1.0
    top = max(top, 1e-300)
    step = _step(top, most_ticks)
    steps = max(1, math.ceil(top * 1.0001 / step))
    upper = steps * step
    ticks = tuple(
        Tick(round(start + length * k / steps, 1), units.quantity(k * step, unit) if k else "0")
        for k in range(steps + 1)
    )
    return Axis(0.0, upper, start, length, ticks)


def make_span_axis(end_s: float, *, start: float, length: float) -> Axis:
    """Return an axis of seconds that ends where the execution ends, and not at a round tick beyond it."""
    rounded = make_axis([end_s], start=start, length=length, unit="s")
    step = rounded.upper / (len(rounded.ticks) - 1)
    axis = Axis(0.0, end_s, start, length, ())
    ticks = tuple(
        Tick(axis.at(k * step), tick.label)
        for k, tick in enumerate(rounded.ticks)
        if k * step <= end_s
    )
    return Axis(0.0, end_s, start, length, ticks)


def _step(top: float, most_ticks: int) -> float:
    raw = top / most_ticks
    power = 10.0 ** math.floor(math.log10(raw))
    for nice in _NICE:
        if nice * power >= raw:
            return nice * power
    return 10.0 * power
