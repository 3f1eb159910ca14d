"""One side of a ratio gate: a ladder on one value of every round, a second one on the mean of some.

The first ladder bets on what a neighbour can hardly fake: for missed the best sub-pair, for met the
median. Both pay for it: a best moment forgives a slow mode, and either spreads more than the mean.
In rounds that nobody can have disturbed there is nothing to guard against: the second ladder bets
on the ratio of the mean times, which moves with every execution.

    E = E_1                        before the second ladder's first bet
    E = (E_1 + E_1' x E_2) / 2     from then on, E_1' being E_1 just before it

The wealth is split when a round first allows it, which is known before its values are looked at:
while both ladders' null hypotheses hold, E stays an e-process (a convex combination of two
non-negative supermartingales), and it costs nothing where no round ever allows it.
"""

from __future__ import annotations

from typing import Literal

from pytest_pipeline.stats.eprocess import log_average, log_threshold
from pytest_pipeline.stats.ladder import LadderBet


class TwoLadders:
    """Both ladders against one threshold; see `LadderBet` for the arguments and what they raise."""

    def __init__(self, threshold: float, direction: Literal["below", "above"]) -> None:
        self._first = LadderBet(threshold, direction)
        self._mean = LadderBet(threshold, direction)
        self._share: float | None = None

    def __repr__(self) -> str:
        return f"TwoLadders(first={self._first!r}, mean={self._mean!r})"

    def bet(self, value: float | None, mean: float | None) -> None:
        """Place the bets of one clean round; None where the ladder may not bet on it."""
        if mean is not None:
            if self._share is None:
                self._share = self._first.log_e
            self._mean.bet(mean)
        if value is not None:
            self._first.bet(value)

    def crossed(self, alpha: float) -> bool:
        """Whether E >= 1/alpha now; checking after every round keeps the error below `alpha`."""
        return self.log_e >= log_threshold(alpha)

    @property
    def log_e(self) -> float:
        """Log e-value: 0 before the first bet."""
        return self.log_e_after(1, 1)

    def log_e_after(self, total: int, seen: int) -> float:
        """Return what `log_e` would be after total / seen times as many rounds with the same shares of events."""
        alone = self._first.log_e_after(total, seen)
        if self._share is None:
            return alone
        return log_average((alone, self._share + self._mean.log_e_after(total, seen)))

    @property
    def is_led_by_mean(self) -> bool:
        """Whether the ladder on the mean holds the larger part of E."""
        return self._share is not None and self._share + self._mean.log_e > self._first.log_e

    @property
    def rounds(self) -> int:
        """How many rounds the first ladder bet on."""
        return self._first.rounds
