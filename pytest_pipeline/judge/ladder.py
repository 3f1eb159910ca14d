"""The ladder gate: two ladder e-processes on the same rounds, with streak and confirmation.

Speedup, efficiency, throughput and first result share it; a `Reading` takes the value out of a
round, everything else is the same (project's study, A2 as refined by A7-A9, A9.10). A clean round
gives two values: *missed* bets on the best of its sub-pairs, what the code can do in its best
moment; *met* bets on their median, so that an intermittent slow mode is not forgiven. A bet on the
best also needs the previous round clean. Of a ratio, both sides bet on the mean as well in rounds
that nobody can have disturbed (`Round.was_alone`, `stats.two_ladders`). The first missed crossing
only makes the gate suspect: a fresh e-process on spaced rounds has to cross too.

Guarantee for a minimum, with L the effective limit: *conforming = in clean rounds at least half of
the best values reach L and at most a quarter fall below 0.9 L, and so do the means of those rounds
that nobody can have disturbed*; such a test is failed with probability at most `Errors.missed`. Met
means that at least half of the median values exceed L, or of the means of those rounds, wrong with
probability at most `Errors.met`. For a maximum it is the mirror image: at most a quarter of the
best values lie above L / 0.9. An efficiency of e on w workers is a speedup of e x w, so its gate is
the speedup gate with the limit e x w.

Throughput and first result are absolute: another machine gives another value. Inside one run the
clean rounds carry the same guarantee, since the control kernel tells a disturbed round whatever the
quantity; but nothing divides out a machine that is slower as a whole.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import Literal

from pytest_pipeline.judge.estimates import reading_estimate
from pytest_pipeline.judge.gate import Errors, Status, count, disturbed_visits
from pytest_pipeline.judge.leaning import Leaning, lean
from pytest_pipeline.judge.readings import Reading
from pytest_pipeline.model.estimate import Estimate
from pytest_pipeline.model.finding import Verdict
from pytest_pipeline.model.requirement import Requirement
from pytest_pipeline.model.rounds import Phase, Round
from pytest_pipeline.model.units import show_quantity
from pytest_pipeline.stats.ladder import rounds_to_decide
from pytest_pipeline.stats.quantiles import is_bimodal
from pytest_pipeline.stats.two_ladders import TwoLadders

MAX_CONFIRM_BETS = 24
"""Bets of a confirmation; after that the two measurements disagree. 12 confirmed 96 % of the misses whose
every fourth round lies within the guard band, 24 do 99.8 % (replayed from 406 recorded rounds)."""

UNSTEADY_SHARE = 0.5
"""Share of clean executions in a slow mode that misses the limit above which a gate cannot be met."""


class LadderGate:
    """A limit on a quantity that every round has a value of."""

    def __init__(
        self, requirement: Requirement, executor: str, reading: Reading, *, errors: Errors
    ) -> None:
        self.requirement = requirement
        self.executor = executor
        self._reading = reading
        self._errors = errors
        self._missed = self._side("missed")
        self._met = self._side("met")
        self._confirm_missed: TwoLadders | None = None
        self._confirm_met: TwoLadders | None = None
        self._visits = 0
        self.unconfirmed = ""
        self._previous_clean = False
        self._values: list[float] = []
        self._means: list[float] = []
        self.status = Status.OPEN
        self.clean = 0
        self.dirty = 0

    @property
    def speedup_needed(self) -> float | None:
        """The speedup that the effective limit amounts to; None for absolute quantities."""
        return self._reading.speedup_of(self.requirement.effective_limit)

    @property
    def counted(self) -> str:
        """Clean rounds, for the headline; with their mean where that has decided, and not the median shown."""
        rounds = count(self.clean, self.requirement.quantity.evidence)
        if not self.clean and self.dirty:
            return f"{count(self.dirty, 'disturbed round')}, none clean"
        side = {Status.MISSED: self._missed, Status.MET: self._met}.get(self.status)
        if side is None or not side.is_led_by_mean or not self._means:
            return rounds
        mean = show_quantity(median(self._means), self.requirement.quantity.unit)
        return f"{rounds}, mean {mean} in {count(len(self._means), 'undisturbed one')}"

    def estimate(self, rounds: Sequence[Round]) -> Estimate | None:
        """Return the median over the clean rounds, with its confidence sequence."""
        requirement = self.requirement
        clean = [
            each for each in rounds if each.phase is not Phase.WARM_UP and self._is_clean(each)
        ]
        return reading_estimate(
            clean or rounds,
            self._reading,
            self.executor,
            name=requirement.label,
            unit=requirement.quantity.unit,
            cold=requirement.cold,
        )

    def observe(self, each: Round) -> None:
        """Take one round; warm-up rounds only prime the streak."""
        streak = self._previous_clean
        self._previous_clean = self._is_clean(each)
        if each.phase is Phase.WARM_UP or self.status is not Status.OPEN:
            return
        self._count(each)
        if not self._is_clean(each):
            return
        mean = self._mean(each)
        self._missed.bet(self._reading.best(each) if streak else None, mean)
        self._met.bet(self._reading.typical(each), mean)
        self._values += self._reading.by_pair(each)
        self._means += [] if mean is None else [mean]
        if self._missed.crossed(self._errors.missed):
            self.status = Status.SUSPECT
        elif self._met.crossed(self._errors.met) and not self.is_unsteady:
            self.status = Status.MET

    def begin_confirmation(self) -> None:
        """Start the fresh e-processes that must agree before the gate is missed."""
        self._confirm_missed = self._side("missed")
        self._confirm_met = self._side("met")
        self._visits = 0

    def confirm(self, first: Round, second: Round) -> None:
        """Take one spaced visit of two rounds: both clean, the best of the second and the means are bet on."""
        assert self._confirm_missed is not None
        assert self._confirm_met is not None
        self._visits += 1
        self._count(second)
        if not (self._is_clean(first) and self._is_clean(second)):
            return
        for side, value in (
            (self._confirm_missed, self._reading.best(second)),
            (self._confirm_met, self._reading.typical(second)),
        ):
            side.bet(None, self._mean(first))
            side.bet(value, self._mean(second))
        if self._confirm_missed.crossed(self._errors.confirm):
            self.status = Status.MISSED
        elif (
            self._confirm_met.crossed(self._errors.met)
            or self._confirm_missed.rounds >= MAX_CONFIRM_BETS
        ):
            self.status = Status.DISAGREED

    def give_up_confirming(self) -> None:
        """End a confirmation that was not decided in time; too few clean pairs say nothing."""
        assert self._confirm_missed is not None
        self.status = Status.DISAGREED
        bets = self._confirm_missed.rounds
        if bets < rounds_to_decide(self._errors.confirm):
            self.unconfirmed = disturbed_visits(self._visits, bets=bets)

    @property
    def is_unsteady(self) -> bool:
        """Whether more than half of the clean executions sit in a separate slow mode, and miss the limit there."""
        if not is_bimodal(self._values):
            return False
        middle = math.sqrt(min(self._values) * max(self._values))
        limit = self.requirement.effective_limit
        if self.requirement.quantity.is_minimum:
            slow = sum(value < min(middle, limit) for value in self._values)
        else:
            slow = sum(value > max(middle, limit) for value in self._values)
        return slow / len(self._values) > UNSTEADY_SHARE

    @property
    def leaning(self) -> Leaning | None:
        """Which side more rounds would decide for; None when these rounds point to neither."""
        errors = self._errors
        return lean(
            [
                (Verdict.MISSED, self._missed, errors.missed),
                (Verdict.MET, self._met, errors.met),
            ]
        )

    def _side(self, side: Literal["met", "missed"]) -> TwoLadders:
        is_above = self.requirement.quantity.is_minimum is (side == "met")
        return TwoLadders(self.requirement.effective_limit, "above" if is_above else "below")

    def _mean(self, each: Round) -> float | None:
        """Return what both sides bet on as well: of a ratio, in a round that nobody can have disturbed."""
        return self._reading.mean(each) if each.was_alone else None

    def _is_clean(self, each: Round) -> bool:
        """Whether `each` may be bet on: what slows both arms alike cancels in a ratio only."""
        return each.is_steady if self.speedup_needed is None else each.is_clean

    def _count(self, each: Round) -> None:
        if self._is_clean(each):
            self.clean += 1
        else:
            self.dirty += 1
