"""The error-rate gate: counting failed items, execution by execution.

`error_rate <= max` is a statement on the share of failed items over repeated executions of this item
list. *Met* bets item by item (Bernoulli e-process, slowed down by the mean length of the stretches in
which failures come); *missed* bets on the failed share of whole executions, valid for any dependence
inside one (project's study, A9.10 and B3). Every execution of the arm counts, warm-up included.

Two things differ from the gates on times. No control kernel is asked and no round is "disturbed": a
neighbour makes items late, not failed (unless a stage has a time-out of its own). And a miss is not
confirmed on fresh workers: what fails after a thousand items (a leak, an exhausted pool) would be
gone there, and Ville's bound holds without it. `max=0` needs no bet: one failed item contradicts it,
and it is met as long as none has been seen; what that shows is in `docs/verdicts.md`.
"""

from __future__ import annotations

from collections.abc import Sequence

from pytest_pipeline.judge.estimates import DISPLAY_LEVEL
from pytest_pipeline.judge.gate import Errors, Status, count
from pytest_pipeline.model.estimate import Estimate
from pytest_pipeline.model.failures import FailedShare
from pytest_pipeline.model.requirement import Requirement
from pytest_pipeline.model.rounds import Round
from pytest_pipeline.stats.confidence import share_sequence
from pytest_pipeline.stats.rate import BlockBet, RateBet, blocks_to_miss, samples_to_certify

PLAIN_MISS = 5
"""Multiple of the limit that must be found within the budget."""

LARGEST_LIMIT = 0.999
"""Effective limits above this are bet on as this: a share of one cannot be exceeded."""


class ErrorRateGate:
    """A maximum on failed items / items of one arm."""

    is_unsteady = False
    """Never: failures may come in modes; counting sees them."""

    def __init__(self, requirement: Requirement, executor: str, *, errors: Errors) -> None:
        self.requirement = requirement
        self.executor = executor
        self.failed = 0
        self.items = 0
        self.clean = 0
        self.dirty = 0
        self._errors = errors
        self._stretches = 0
        self.is_exact = requirement.limit == 0
        self._quantile = 1 - min(requirement.effective_limit, LARGEST_LIMIT)
        if not self.is_exact:
            self._met = RateBet("met", quantile=self._quantile)
            self._missed = BlockBet(quantile=self._quantile)
        self._has_missed = False

    @property
    def has_only_failed(self) -> bool:
        """Whether there were items and none of them came out."""
        return 0 < self.items == self.failed

    @property
    def stretch(self) -> float:
        """Mean number of consecutive items that fail together; at least 1. Met needs that many times the items."""
        return self.failed / self._stretches if self._stretches else 1.0

    @property
    def items_needed(self) -> int:
        """Items, none of them failed, that a met verdict needs; 1 when `max` is 0."""
        if self.is_exact:
            return 1
        return samples_to_certify(
            self._errors.late_met, deff=round(self.stretch, 3), quantile=self._quantile
        )

    @property
    def executions_to_miss(self) -> int:
        """Executions that show a share of five times the limit; 1 when `max` is 0."""
        if self.is_exact:
            return 1
        share = min(1.0, PLAIN_MISS * (1 - self._quantile))
        return blocks_to_miss(self._errors.missed, late_share=share, quantile=self._quantile) or 1

    @property
    def status(self) -> Status:
        """Where it stands. A missed limit stays missed; a met one may be lost to later failures."""
        if self._has_missed:
            return Status.MISSED
        if self.is_exact:
            return Status.MET if self.items else Status.OPEN
        is_met = self._met.crossed(self._errors.late_met, deff=self.stretch)
        return Status.MET if is_met else Status.OPEN

    @property
    def counted(self) -> str:
        """Failed items, for the headline."""
        return f"{self.failed} of {count(self.items, 'item')} failed"

    def estimate(self, rounds: Sequence[Round]) -> Estimate | None:  # noqa: ARG002 - every gate is asked alike
        """Return the failed share with its confidence sequence; None before the first item."""
        if not self.items:
            return None
        lower, upper = share_sequence(self.failed, self.items, 1 - DISPLAY_LEVEL)
        quantity = self.requirement.quantity
        value = self.failed / self.items
        return Estimate(
            quantity.label, quantity.unit, value, lower, upper, DISPLAY_LEVEL, self.items
        )

    def observe(self, execution: FailedShare) -> None:
        """Take one execution."""
        if not execution.items:
            return
        self.clean += 1
        self.failed += execution.failed
        self.items += execution.items
        self._stretches += execution.stretches
        if self.is_exact:
            self._has_missed |= execution.failed > 0
            return
        self._met.bet_many(execution.failed, execution.items)
        self._missed.bet(execution.failed / execution.items)
        self._has_missed |= self._missed.crossed(self._errors.missed)
