"""How fast stages advance while their services share cores and one lock (the GIL).

A service of stage s spends the share c_s of its time computing, and the part g_s <= c_s of it with
the lock held. While the active services want more than `cores` processors, computing stretches by
one factor x >= 1; while they want the lock more than all the time, the part under it stretches by a
further factor y >= 1 (processor sharing: everyone is slowed alike; waiting does not stretch):

    d_s = 1 - c_s + (c_s - g_s) x + g_s x y            seconds per second of undisturbed service
    sum_active c_s / d_s <= cores                      processors in use
    sum_active g_s x / d_s <= 1                        share of time in which the lock is held

x and y are the smallest factors that satisfy both. Source: processor sharing, Kleinrock 1976.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

_PRECISION = 1e-7
_MOST_STEPS = 60


@dataclass(slots=True)
class SharedCores:
    """The speeds of all the stages, solved once per combination of active services."""

    cores: float
    """Processors; `math.inf` when they are not scarce."""
    cpu_shares: Sequence[float]
    """c_s per stage, 0-1."""
    lock_shares: Sequence[float]
    """g_s per stage, 0 to c_s."""
    _known: dict[tuple[int, ...], list[float]] = field(default_factory=dict)

    def speeds(self, active: tuple[int, ...]) -> list[float]:
        """Return seconds of undisturbed service done per second, per stage, for `active` services."""
        if active not in self._known:
            self._known[active] = [1 / duration for duration in self._durations(active)]
        return self._known[active]

    def _durations(self, active: tuple[int, ...]) -> list[float]:
        most = 1 + sum(active) * (1 + 1 / self.cores)
        x = _least(lambda x: self._cores_in_use(active, x, most) - self.cores, most)
        return self._stretched(x, self._lock_stretch(active, x, most))

    def _cores_in_use(self, active: tuple[int, ...], x: float, most: float) -> float:
        durations = self._stretched(x, self._lock_stretch(active, x, most))
        uses = zip(active, self.cpu_shares, durations, strict=True)
        return math.fsum(n * c / duration for n, c, duration in uses)

    def _lock_stretch(self, active: tuple[int, ...], x: float, most: float) -> float:
        def excess(y: float) -> float:
            uses = zip(active, self.lock_shares, self._stretched(x, y), strict=True)
            return math.fsum(n * g * x / duration for n, g, duration in uses) - 1

        return _least(excess, most)

    def _stretched(self, x: float, y: float) -> list[float]:
        shares = zip(self.cpu_shares, self.lock_shares, strict=True)
        return [1 - c + (c - g) * x + g * x * y for c, g in shares]


def _least(excess: Callable[[float], float], most: float) -> float:
    """Return the smallest factor >= 1 without excess demand; demand falls with it, and at `most` there is none.

    Regula falsi with the Illinois step (Dowell and Jarratt 1971): about seven evaluations.
    """
    low, at_low = 1.0, excess(1.0)
    if at_low <= 0:
        return 1.0
    high, at_high, last_moved_high = most, excess(most), None
    for _ in range(_MOST_STEPS):
        middle = high - at_high * (high - low) / (at_high - at_low)
        at_middle = excess(middle)
        if abs(at_middle) <= _PRECISION:
            return middle
        moves_high = at_middle < 0
        if moves_high:
            high, at_high = middle, at_middle
            at_low /= 2 if last_moved_high else 1
        else:
            low, at_low = middle, at_middle
            at_high /= 2 if last_moved_high is False else 1
        last_moved_high = moves_high
    return high
