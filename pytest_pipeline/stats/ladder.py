"""The guard-band ladder: one side of a speedup-like gate, decided by betting on signs.

Every clean round gives one value r (a ratio, a throughput, a time) to compare with a threshold L.
Rungs j = 1, 2 have (delta_j, q_j) = (0, 1/2) and (guard, 1/4):

    direction "below": event_j = [r < L (1 - delta_j)]
    direction "above": event_j = [r > L / (1 - delta_j)]
    null hypothesis:   P(event_j | past) <= q_j on both rungs
    E = (E_1 + E_2) / 2, each E_j a `BernoulliMixture` over the events of its rung

A speedup gate misses on "below" and is met on "above"; a gate with a maximum is the mirror image. A
value exactly at L is an event for neither. A round that is not clean places no bet. Source: the
project's study, section A2.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Literal

from pytest_pipeline.stats.eprocess import BernoulliMixture, log_average, log_threshold

GUARD = 0.10
"""Default guard band: the second rung sits 10 % beyond the threshold."""

SHALLOW = BernoulliMixture(null_rate=1 / 2, bets=((1.0, 0.4), (0.9, 0.4), (0.75, 0.2)))
"""Rung 1, at the threshold: a conforming test puts at most half of the clean rounds beyond it."""

DEEP = BernoulliMixture(null_rate=1 / 4, bets=((1.0, 0.5), (0.8, 0.3), (0.5, 0.2)))
"""Rung 2, the guard band: a conforming test puts at most a quarter of the rounds beyond it."""


class LadderBet:
    """One side of the ladder: `threshold` is L, in the unit of the values, `guard` a share.

    Start a fresh one for every side and for every confirmation. Raises `ValueError` for a threshold
    that is not positive and finite, an unknown direction, or a guard outside (0, 1).
    """

    __slots__ = ("_deep", "_deep_events", "_direction", "_rounds", "_shallow", "_shallow_events")

    def __init__(
        self, threshold: float, direction: Literal["below", "above"], guard: float = GUARD
    ) -> None:
        if not (threshold > 0 and math.isfinite(threshold)):
            raise ValueError(f"threshold={threshold!r} is not a positive finite number")
        if direction not in ("below", "above"):
            raise ValueError(f'direction={direction!r} is neither "below" nor "above"')
        if not 0 < guard < 1:
            raise ValueError(f"guard={guard!r} is not a share strictly between 0 and 1")
        self._direction = direction
        self._shallow = threshold
        self._deep = threshold * (1 - guard) if direction == "below" else threshold / (1 - guard)
        self._rounds = self._shallow_events = self._deep_events = 0

    def __repr__(self) -> str:
        return (
            f"LadderBet({self._direction} {self._shallow:g}: {self._shallow_events} of "
            f"{self._rounds}, {self._deep_events} beyond {self._deep:g}, log_e={self.log_e:.3f})"
        )

    def bet(self, value: float) -> None:
        """Place the bet of one clean round. Raises `ValueError` for NaN; infinity is a value."""
        if math.isnan(value):
            raise ValueError(
                "a round without a value (NaN) places no bet: do not call bet() for it"
            )
        self._rounds += 1
        self._shallow_events += self._is_event(value, self._shallow)
        self._deep_events += self._is_event(value, self._deep)

    def crossed(self, alpha: float) -> bool:
        """Whether E >= 1/alpha now; checking after every round keeps the error below `alpha`."""
        return self.log_e >= log_threshold(alpha)

    def log_e_after(self, total: int, seen: int) -> float:
        """Return what `log_e` would be after total / seen times as many rounds with the same shares of events."""
        counts = (self._shallow_events, self._deep_events, self._rounds)
        shallow, deep, rounds = (each * total // seen for each in counts)
        return ladder_log_e(shallow, deep, rounds)

    @property
    def log_e(self) -> float:
        """Log e-value: 0 before the first bet, above ln(1/alpha) once decided at `alpha`."""
        return self.log_e_after(1, 1)

    @property
    def rounds(self) -> int:
        """How many rounds were bet on."""
        return self._rounds

    @property
    def events(self) -> tuple[int, int]:
        """How many rounds lay beyond the threshold, and how many beyond the guard band."""
        return self._shallow_events, self._deep_events

    def _is_event(self, value: float, edge: float) -> bool:
        return value < edge if self._direction == "below" else value > edge


def ladder_log_e(shallow_events: int, deep_events: int, rounds: int) -> float:
    """Return ln((E_1 + E_2) / 2) for the counts of both rungs; 0 for no rounds.

    Raises `ValueError` on impossible counts.
    """
    if deep_events > shallow_events:
        raise ValueError(
            f"deep_events={deep_events} exceed shallow_events={shallow_events}: impossible"
        )
    return log_average((SHALLOW.log_e(shallow_events, rounds), DEEP.log_e(deep_events, rounds)))


@cache
def rounds_to_decide(alpha: float) -> int:
    """Return the clean rounds that a clear case needs: every round an event on both rungs.

    3, 5, 6 at 5, 1, 0.1 %: the fewest rounds after which the ladder can ever decide at `alpha`.
    """
    return _first_crossing(alpha, deep_share=1)


@cache
def rounds_to_decide_within_guard(alpha: float) -> int:
    """Return the clean rounds needed when every one is an event on the first rung only.

    The case of a value that is steadily off by less than the guard band: 6, 9, 12 at 5, 1, 0.1 %.
    """
    return _first_crossing(alpha, deep_share=0)


def _first_crossing(alpha: float, *, deep_share: Literal[0, 1]) -> int:
    height = log_threshold(alpha)
    rounds = 1
    while ladder_log_e(rounds, rounds * deep_share, rounds) < height:
        rounds += 1
    return rounds
