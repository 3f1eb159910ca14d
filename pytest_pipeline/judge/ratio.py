"""The speedup gate: two ladder e-processes on the same rounds, with streak and confirmation.

Rule (project's study, A2 as refined by A7-A9): a clean round gives two ratios. *Missed* bets on
min(baseline) / min(candidate), what the code can do in its best moment; *met* bets on
median(baseline) / median(candidate), so that an intermittent slow mode is not forgiven. A missed
bet also needs the previous round clean. The first missed crossing only makes the gate suspect:
a fresh e-process on spaced rounds has to cross too.

Guarantee: *conforming = in clean rounds at least half of the min/min ratios reach L and at most a
quarter fall below 0.9 L*; such a test is failed with probability at most `Errors.missed`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from pytest_pipeline.judge.estimates import speedup_estimate
from pytest_pipeline.judge.gate import Errors, Status, count
from pytest_pipeline.model.estimate import Estimate
from pytest_pipeline.model.requirement import Requirement
from pytest_pipeline.model.rounds import Phase, Round
from pytest_pipeline.stats.ladder import LadderBet
from pytest_pipeline.stats.quantiles import is_bimodal

MAX_CONFIRM_BETS = 12
"""Bets of a confirmation; after that the two measurements disagree."""

UNSTEADY_SHARE = 0.5
"""Share of clean executions in the slow mode above which a gate cannot be met."""


class RatioGate:
    """A minimum on baseline makespan / candidate makespan."""

    def __init__(
        self, requirement: Requirement, executor: str, baseline: str, *, errors: Errors
    ) -> None:
        self.requirement = requirement
        self.executor = executor
        self._baseline = baseline
        self._errors = errors
        limit = requirement.effective_limit
        self._missed = LadderBet(limit, "below")
        self._met = LadderBet(limit, "above")
        self._confirm_missed: LadderBet | None = None
        self._confirm_met: LadderBet | None = None
        self._previous_clean = False
        self._sub_ratios: list[float] = []
        self.status = Status.OPEN
        self.clean = 0
        self.dirty = 0

    @property
    def counted(self) -> str:
        """Clean rounds, for the headline."""
        return count(self.clean, self.requirement.quantity.evidence)

    def estimate(self, rounds: Sequence[Round]) -> Estimate | None:
        """Return the median over the clean rounds, with its confidence sequence."""
        return speedup_estimate(rounds, self._baseline, self.executor, cold=self.requirement.cold)

    def observe(self, each: Round) -> None:
        """Take one round; warm-up rounds only prime the streak."""
        streak = self._previous_clean
        self._previous_clean = each.is_clean
        if each.phase is Phase.WARM_UP or self.status is not Status.OPEN:
            return
        self._count(each)
        if not each.is_clean:
            return
        if streak:
            self._missed.bet(self.best_ratio(each))
        self._met.bet(self.typical_ratio(each))
        self._sub_ratios += self._ratios(each)
        if self._missed.crossed(self._errors.missed):
            self.status = Status.SUSPECT
        elif self._met.crossed(self._errors.met) and not self.is_unsteady:
            self.status = Status.MET

    def begin_confirmation(self) -> None:
        """Start the fresh e-processes that must agree before the gate is missed."""
        limit = self.requirement.effective_limit
        self._confirm_missed = LadderBet(limit, "below")
        self._confirm_met = LadderBet(limit, "above")

    def confirm(self, first: Round, second: Round) -> None:
        """Take one spaced visit of two rounds; both clean, the second is bet on."""
        assert self._confirm_missed is not None
        assert self._confirm_met is not None
        self._count(second)
        if not (first.is_clean and second.is_clean):
            return
        self._confirm_missed.bet(self.best_ratio(second))
        self._confirm_met.bet(self.typical_ratio(second))
        if self._confirm_missed.crossed(self._errors.confirm):
            self.status = Status.MISSED
        elif (
            self._confirm_met.crossed(self._errors.met)
            or self._confirm_missed.rounds >= MAX_CONFIRM_BETS
        ):
            self.status = Status.DISAGREED

    def give_up_confirming(self) -> None:
        """End a confirmation that found no clean pair of rounds in time."""
        self.status = Status.DISAGREED

    @property
    def is_unsteady(self) -> bool:
        """Whether more than half of the clean executions sit in a separate slow mode."""
        if not is_bimodal(self._sub_ratios):
            return False
        middle = math.sqrt(min(self._sub_ratios) * max(self._sub_ratios))
        slow = sum(ratio < middle for ratio in self._sub_ratios)
        return slow / len(self._sub_ratios) > UNSTEADY_SHARE

    def best_ratio(self, each: Round) -> float:
        """min/min of one round: the bet of the missed side."""
        base, candidate = self._arms(each)
        return min(base) / min(candidate)

    def typical_ratio(self, each: Round) -> float:
        """median/median of one round: the bet of the met side."""
        base, candidate = self._arms(each)
        return median(base) / median(candidate)

    def _ratios(self, each: Round) -> list[float]:
        base, candidate = self._arms(each)
        return [b / c for b, c in zip(base, candidate, strict=True)]

    def _arms(self, each: Round) -> tuple[list[float], list[float]]:
        start_up = each.startups_s.get(self.executor, 0.0) if self.requirement.cold else 0.0
        base_up = each.startups_s.get(self._baseline, 0.0) if self.requirement.cold else 0.0
        return (
            [seconds + base_up for seconds in each.makespans_s[self._baseline]],
            [seconds + start_up for seconds in each.makespans_s[self.executor]],
        )

    def _count(self, each: Round) -> None:
        if each.is_clean:
            self.clean += 1
        else:
            self.dirty += 1
