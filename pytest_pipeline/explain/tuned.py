"""Measured settings -> the one to take, and those that cannot be told from the fastest."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pytest_pipeline.model.tuning import Tried


def choose(start: Tried, measured: Sequence[Tried]) -> tuple[Tried, tuple[Tried, ...]]:
    """Return the best setting and the others that tie with the fastest one.

    Two settings tie when their intervals share a value; one that had too few rounds for an interval is neither
    best nor tied. Of settings that tie the one with the fewest workers is best, then the one as declared, then
    the fastest.
    """
    everyone = [start, *(each for each in measured if each.speedup and each.speedup.lower)]
    fastest = max(everyone, key=_value)
    equals = [each for each in everyone if _overlap(each, fastest)]
    best = min(equals, key=lambda each: (each.total_workers, not each.is_start, -_value(each)))
    return best, tuple(each for each in equals if each is not best)


def _value(tried: Tried) -> float:
    return 1.0 if tried.speedup is None else tried.speedup.value


def _overlap(one: Tried, other: Tried) -> bool:
    (low, high), (other_low, other_high) = _interval(one), _interval(other)
    return max(low, other_low) <= min(high, other_high)


def _interval(tried: Tried) -> tuple[float, float]:
    """Return the ends of the interval; the setting as declared is 1 by definition."""
    if tried.speedup is None:
        return 1.0, 1.0
    low, high = tried.speedup.lower, tried.speedup.upper
    return low or 0.0, math.inf if high is None else high
