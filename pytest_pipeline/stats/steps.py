"""Steps in a series of one value per session: where it moved to another level and stayed there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

LEAST = 4
"""Values that a level is known from; with fewer there is nothing to leave."""

WINDOW = 20
"""Values that a level is taken from: its *first* ones, since a sliding window follows a slow drift for ever."""

BAND = math.log(1 / 0.95)
"""Least distance from the level that counts, in ln: 5 %."""

SPREADS = 4.0
"""The distance that counts, in robust standard deviations of the level's values, where that is more."""

_MAD_TO_SD = 1.4826


@dataclass(frozen=True, slots=True)
class Level:
    """A stretch of the series in which it did not move."""

    start: int
    """Index of its first value."""
    stop: int
    """Index after its last value."""
    centre: float
    """Median of its first 20 values, in their unit."""
    band: float
    """How far a value may lie from the centre, as a ratio above 1; infinite while there are fewer than 4 values."""
    is_confirmed: bool = True
    """False for a single last value off its level: an outlier, or a step that the next session will show."""

    def holds(self, value: float) -> bool:
        """Whether `value` lies on the level."""
        return max(value / self.centre, self.centre / value) <= self.band


def find_levels(values: Sequence[float]) -> tuple[Level, ...]:
    """Return the levels of positive `values` (ratios, times) in order; they cover all of them.

    A level is the median of its first 20 values in ln; a value is off when it lies further from it than 5 %
    and than 4 robust standard deviations (1.4826 MAD). Two values in a row off on the same side begin a
    new level, one alone is an outlier, unless it is the last: then it is a level of its own, unconfirmed.

    Simulated, 400 x 100 values with 2 % noise and 3 % outliers of -15 to -40 %: 0.08 false steps in 100
    values; a step of 10 % after 30 values is found within six values in 90 % of the series, one of 20 %
    in 99 %, one of 5 % in 23 %. Infinite, zero, negative or NaN values raise `ValueError`.
    """
    if not all(0 < value < math.inf for value in values):
        raise ValueError("levels are of positive, finite values")
    logs = [math.log(value) for value in values]
    starts = _starts(logs)
    levels = [
        _level(logs, start, stop)
        for start, stop in zip(starts, [*starts[1:], len(logs)], strict=True)
    ]
    if not levels or not _side(logs, levels[-1].start, len(logs) - 1, len(logs) - 1):
        return tuple(levels)
    last = len(logs) - 1
    before = _level(logs, levels.pop().start, last)
    return (*levels, before, _level(logs, last, last + 1, is_confirmed=False))


def _level(logs: Sequence[float], start: int, stop: int, *, is_confirmed: bool = True) -> Level:
    known = logs[start:stop][:WINDOW]
    return Level(start, stop, math.exp(median(known)), math.exp(_band(known)), is_confirmed)


def _starts(logs: Sequence[float]) -> list[int]:
    """Return where each level begins."""
    starts = [0] if logs else []
    for index in range(1, len(logs)):
        first, second = (_side(logs, starts[-1], index - 1, at) for at in (index - 1, index))
        if first and first == second:
            starts.append(index - 1)
    return starts


def _side(logs: Sequence[float], start: int, stop: int, index: int) -> int:
    """Return -1 or 1 when the value at `index` lies below or above the level of `start`..`stop`, else 0."""
    known = logs[start:stop][:WINDOW]
    distance = logs[index] - median(known) if known else 0.0
    return 0 if abs(distance) <= _band(known) else int(math.copysign(1, distance))


def _band(known: Sequence[float]) -> float:
    """Return how far from the level a value may lie, in ln."""
    if len(known) < LEAST:
        return math.inf
    middle = median(known)
    spread = _MAD_TO_SD * median(abs(value - middle) for value in known)
    return max(BAND, SPREADS * spread)
