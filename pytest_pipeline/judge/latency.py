"""The p99 latency gate: counting late items, in blocks.

`p99 <= max` is the statement that at most 1 % of the items are late. *Met* bets item by item
(Bernoulli e-process, slowed down by the run length of late stretches); *missed* bets on the late
share of whole blocks, valid for any dependence inside a block, with streak and confirmation as in
the speedup gate (project's study, B2, B3, A9.9). Below 319 items nothing can be met at 5 %.

Disturbed blocks never count against a service, but they may count for it: a neighbour only adds
latency, so an item in time there would have been in time on an idle machine. In clean blocks single
items may be excused (others held every core while they were in flight): not late for *missed*, late for *met*. *Met* is the average
of two e-processes, one on clean blocks and one on all of them; on an idle machine they coincide.
"""

from __future__ import annotations

from collections.abc import Sequence

from pytest_pipeline.judge.estimates import latency_estimate
from pytest_pipeline.judge.gate import Errors, Status, count, disturbed_visits
from pytest_pipeline.model.estimate import Estimate
from pytest_pipeline.model.requirement import Requirement
from pytest_pipeline.model.rounds import LatencyBlock, Phase, Round
from pytest_pipeline.stats.eprocess import log_average, log_threshold
from pytest_pipeline.stats.rate import (
    BlockBet,
    RateBet,
    blocks_to_miss,
    pooled_run_length,
    samples_to_certify,
)

MIN_BLOCK_ITEMS = 100
"""Items of a block; fewer would make its late share too coarse for a 1 % tail."""

MAX_BLOCKS = 40
"""Clean blocks after which an undecided gate is near its limit, unless met needs more than half of them."""

PLAIN_MISS = 0.05
"""Late share that must be found within the budget: five times what p99 allows."""

TYPICAL_RUN_LENGTH = 1.2
"""Run length assumed before anything is measured; independent items give 1.1."""


class LatencyGate:
    """A maximum on the 99th percentile of the items' latency."""

    def __init__(
        self, requirement: Requirement, executor: str, *, errors: Errors, together: int = 1
    ) -> None:
        self.requirement = requirement
        self.executor = executor
        self._errors = errors
        self._together = together
        self._met_clean = RateBet("met")
        self._met_all = RateBet("met")
        self._missed = BlockBet()
        self._confirm: BlockBet | None = None
        self._visits = 0
        self.unconfirmed = ""
        self._blocks: list[Sequence[float]] = []
        self._seen: list[Sequence[float]] = []
        self._previous_clean = False
        self.status = Status.OPEN
        self.clean = 0
        self.dirty = 0

    @property
    def samples(self) -> list[float]:
        """Latencies of the clean blocks (of all blocks while none is clean), seconds, in order."""
        return [value for block in self._blocks or self._seen for value in block]

    def expect_together(self, items: int) -> None:
        """Take how many items an executor hands over at once, before the first block shows it."""
        self._together = max(self._together, items)

    @property
    def run_length(self) -> float:
        """Mean length of late stretches, at least what travels together. Met needs that many times the samples."""
        return self._deff(self._blocks)

    @property
    def samples_needed(self) -> int:
        """Clean items that a met verdict needs, with what is known of the run length."""
        length = self.run_length if self._blocks else max(TYPICAL_RUN_LENGTH, self._together)
        return samples_to_certify(self._errors.late_met, deff=round(length, 3))

    @property
    def late(self) -> int:
        """How many of `samples` are above the effective limit."""
        return self._late(self.samples)

    @property
    def bets(self) -> int:
        """Blocks that the missed side bet on: clean ones after another clean one."""
        return self._missed.blocks

    @property
    def is_unsteady(self) -> bool:
        """Never: a tail is allowed to have modes; counting late items sees them."""
        return False

    @property
    def counted(self) -> str:
        """Late items and blocks, for the headline: of all the blocks where disturbed ones have helped to meet it."""
        clean, dirty = count(self.clean, "clean block"), count(self.dirty, "disturbed block")
        samples, blocks = self.samples, clean if self.clean else dirty
        if self.status is Status.MET and self.clean and self.dirty:
            samples = [value for block in self._seen for value in block]
            blocks = f"{clean}, {dirty}"
        return f"{self._late(samples)} of {len(samples)} items late, {blocks}"

    def estimate(self, rounds: Sequence[Round]) -> Estimate | None:  # noqa: ARG002 - every gate is asked alike
        """Return the p99 of the samples; no interval, the verdict counts late items."""
        return latency_estimate(self.samples, self.requirement.label)

    def observe(self, block: LatencyBlock) -> None:
        """Take one block; a disturbed one places no bet."""
        streak = self._previous_clean
        self._previous_clean = block.is_clean
        if block.phase is Phase.WARM_UP or self.status is not Status.OPEN:
            return
        self._count(block)
        self._together = max(self._together, block.together)
        late, items = self._late(block.latencies_s), len(block.latencies_s)
        self._seen.append(block.latencies_s)
        self._met_all.bet_many(late, items)
        if block.is_clean:
            self._blocks.append(block.latencies_s)
            self._met_clean.bet_many(late, items)
            if streak:
                self._missed.bet(self._late_share(block))
        if self._missed.crossed(self._errors.missed):
            self.status = Status.SUSPECT
        elif self._log_e_met >= log_threshold(self._errors.late_met):
            self.status = Status.MET

    @property
    def _log_e_met(self) -> float:
        return log_average(
            (
                self._met_clean.log_e / self.run_length,
                self._met_all.log_e / self._deff(self._seen),
            )
        )

    def _deff(self, blocks: Sequence[Sequence[float]]) -> float:
        # A batch has one latency: where the slowest one holds the whole p90, no sample lies above it.
        return max(float(self._together), pooled_run_length(blocks))

    def give_up(self) -> None:
        """End the bets undecided: a plain miss among the clean blocks is not near its limit, others hid it."""
        if self.dirty and self._blocks and self.late >= PLAIN_MISS * len(self.samples):
            self.unconfirmed = f"only {self.bets} of the {self.clean} clean ones followed another"

    def begin_confirmation(self) -> None:
        """Start the fresh e-process that must agree before the gate is missed."""
        self._confirm = BlockBet()
        self._visits = 0

    def confirm(self, first: LatencyBlock, second: LatencyBlock) -> None:
        """Take one spaced visit of two blocks; both clean, the second is bet on."""
        assert self._confirm is not None
        self._visits += 1
        self._count(second)
        if not (first.is_clean and second.is_clean):
            return
        self._confirm.bet(self._late_share(second))
        if self._confirm.crossed(self._errors.confirm):
            self.status = Status.MISSED

    def give_up_confirming(self) -> None:
        """End a confirmation that was not decided in time; too few clean pairs say nothing."""
        assert self._confirm is not None
        self.status = Status.DISAGREED
        least = blocks_to_miss(self._errors.confirm, late_share=PLAIN_MISS) or 1
        if self._confirm.blocks < least:
            self.unconfirmed = disturbed_visits(self._visits, bets=self._confirm.blocks)

    def _late_share(self, block: LatencyBlock) -> float:
        """Return the share of late items that nothing excuses: what the missed side bets on.

        Leaving late items out can only lower it, so the bound on a false miss holds (A9.9).
        """
        limit = self.requirement.effective_limit
        excused = frozenset(block.excused)
        late = sum(
            value > limit and position not in excused
            for position, value in enumerate(block.latencies_s)
        )
        return late / len(block.latencies_s)

    def _late(self, latencies: Sequence[float]) -> int:
        limit = self.requirement.effective_limit
        return sum(value > limit for value in latencies)

    def _count(self, block: LatencyBlock) -> None:
        if block.is_clean:
            self.clean += 1
        else:
            self.dirty += 1
