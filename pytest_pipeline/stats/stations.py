"""The shortest makespan of items that pass stations in line, each of which serves one item at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StationTimes:
    """What the items take at one station, measured alone; any one unit of time."""

    total: float
    """Sum over all items."""
    first: float
    """Of the first item."""
    last: float
    """Of the last item."""


def station_times(per_item: Sequence[float]) -> StationTimes:
    """Sum up one station; raises `ValueError` without items or for a negative, infinite or NaN time."""
    if not per_item or not all(0 <= each < math.inf for each in per_item):
        raise ValueError(f"times {list(per_item)!r}: need at least one, finite and not negative")
    return StationTimes(math.fsum(per_item), per_item[0], per_item[-1])


def shortest_makespan(stations: Sequence[StationTimes]) -> float:
    """Return the bound: the busiest station's sum, plus what lies before its first and behind its last item.

    max over stations b of (first item before b + sum at b + last item behind b): a machine-based
    bound of the flow shop (Lageweg, Lenstra, Rinnooy Kan 1978), so no schedule in input order can
    beat it, and with the same times for every item it is reached. Around the kernels it reads
    first in + sum of kernels + last out; where a copy is the busiest, `max of the sums + first in +
    last out` would count that copy once too often and call an unreachable time the limit.
    Raises `ValueError` without stations.
    """
    if not stations:
        raise ValueError("need at least one station")
    before = 0.0
    behind = math.fsum(each.last for each in stations)
    largest = 0.0
    for each in stations:
        behind -= each.last
        largest = max(largest, before + each.total + behind)
        before += each.first
    return largest
