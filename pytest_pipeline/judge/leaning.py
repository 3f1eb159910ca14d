"""What an undecided ladder gate leans to, and how many rounds like those seen would decide it.

A projection for the message, never for the verdict: the shares of rounds beyond the limit are taken
to stay what they were.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from pytest_pipeline.model.finding import Verdict
from pytest_pipeline.stats.eprocess import log_threshold
from pytest_pipeline.stats.two_ladders import TwoLadders

FARTHEST = 5
"""A projection looks at most this many times as far as there are rounds."""

RESERVE = 1.2
"""A proposed budget holds this many times the rounds that are projected: they are not all alike."""

EXTENDED = 2.0
"""A proposed budget is what is projected divided by this: it is extended by twice as much where rounds lean to a side."""

MOST_EXTENDED = 4.0
"""As far as a budget ever goes (`measure.budget`), where rounds are so long that it has been extended already."""

STEP_S = 10
"""A proposed budget is a multiple of this, seconds."""

NO_LEANING = "the rounds lean to neither side: more of them would not tell, the value lies at the limit itself"
"""Said when rounds like those seen never decide."""


@dataclass(frozen=True, slots=True)
class Leaning:
    """The side that needs the fewest further rounds."""

    verdict: Verdict
    """`met` or `missed` (still to be confirmed)."""
    rounds: int
    """Clean rounds bet on so far."""
    needed: int
    """Clean rounds, those so far included, after which rounds like them decide."""

    def sentence(self, budget_s: float, max_rounds: int, spent_s: float) -> str:
        """Return the sentence for the finding; the measurement had `budget_s` and `max_rounds`, its rounds took `spent_s`."""
        rounds = f", max_rounds={self.needed}" if self.needed > max_rounds else ""
        more = RESERVE * self.needed / self.rounds
        wanted_s = max(more * budget_s / EXTENDED, more * spent_s / MOST_EXTENDED)
        # Where rounds are not what was short, the budget that was just used would end just so.
        least_s = budget_s if rounds else budget_s + STEP_S
        budget = f'budget="{STEP_S * math.ceil(max(least_s, wanted_s) / STEP_S)}s"'
        return (
            f"{self.rounds} clean rounds lean to {self.verdict.value}: about {self.needed} like them decide, which "
            f"@pytest.mark.measure({budget}{rounds}) should hold"
        )


def lean(sides: Iterable[tuple[Verdict, TwoLadders, float]]) -> Leaning | None:
    """Return the nearest of `sides` (verdict, bet, tolerated error), or None when more rounds would not help."""
    found = [
        Leaning(verdict, bet.rounds, needed)
        for verdict, bet, alpha in sides
        if (needed := _rounds_needed(bet, alpha)) is not None
    ]
    return min(found, key=lambda each: each.needed / each.rounds, default=None)


def _rounds_needed(bet: TwoLadders, alpha: float) -> int | None:
    """Return after how many rounds, those so far included, E reaches 1/alpha; None beyond `FARTHEST`."""
    seen = max(1, bet.rounds)
    totals = range(seen, FARTHEST * bet.rounds + 1)
    height = log_threshold(alpha)
    return next((total for total in totals if bet.log_e_after(total, seen) >= height), None)
