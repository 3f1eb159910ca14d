"""The overlap gate: how many items are in service at once, decided without a clock.

The value of one execution is the mean, over all visits, of the visits in service at the fullest
moment of each (`stats.overlap`): it follows from the order of starts and ends alone, so that neither
the control kernel nor clean rounds are needed, and it may be decided on any runner. It proves
concurrency, not parallelism: a visit that waits for a lock or for the GIL inside its stage is in
service all the while.

Rule, with L the effective limit: *missed* when not one of n executions reached L, *met* when an
e-process says that at least half of them do. One execution that reaches L rules out a miss.

Guarantee: *conforming = whatever happened before, each execution reaches L with probability at
least 1/4*. Such a test is failed with probability at most (3/4)^n <= `Errors.missed`: n = 25 for
one gate at 0.1 %. On an idle machine conforming code reaches L nearly always; the margin is for
neighbours, which may keep a worker from taking its next item and so spread visits out. What a
neighbour cannot do is let more visits be in service than there are worker slots, nor bring a serial
loop above 1. Met means that at least half of the executions reach L, wrong with probability at most
`Errors.met` (8 executions when all of them do).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from pytest_pipeline.judge.estimates import DISPLAY_LEVEL
from pytest_pipeline.judge.gate import Errors, Status, count
from pytest_pipeline.model.estimate import Estimate
from pytest_pipeline.model.plan import SOURCE_STAGE
from pytest_pipeline.model.requirement import Requirement
from pytest_pipeline.model.rounds import Round
from pytest_pipeline.model.trace import Trace
from pytest_pipeline.model.units import show_quantity
from pytest_pipeline.stats.confidence import median_sequence
from pytest_pipeline.stats.eprocess import log_threshold
from pytest_pipeline.stats.ladder import SHALLOW

REACHING_SHARE = 1 / 4
"""Share of the executions of conforming code that reach the effective limit, at least."""


class OverlapGate:
    """A minimum on the mean number of visits in service at once."""

    is_unsteady = False
    """Never asked: two modes are two orders of events, and each execution counts as it was."""

    def __init__(self, requirement: Requirement, executor: str, *, errors: Errors) -> None:
        self.requirement = requirement
        self.executor = executor
        self._errors = errors
        self._values: list[float] = []
        self._reached = 0
        self.status = Status.OPEN

    @property
    def clean(self) -> int:
        """Executions seen; every one counts."""
        return len(self._values)

    @property
    def dirty(self) -> int:
        """None: an order of events is not disturbed by a slow machine."""
        return 0

    @property
    def counted(self) -> str:
        """Executions, for the headline."""
        return count(self.clean, self.requirement.quantity.evidence)

    @property
    def executions_to_miss(self) -> int:
        """Executions that have to stay under the limit, without exception, before it is missed."""
        return math.ceil(log_threshold(self._errors.missed) / -math.log1p(-REACHING_SHARE))

    def observe(self, each: Round) -> None:
        """Take the executions of one round, disturbed and warm-up ones included."""
        for value in each.overlaps.get(self.executor, ()):
            if self.status is Status.OPEN:
                self._take(value)

    def estimate(self, rounds: Sequence[Round]) -> Estimate | None:  # noqa: ARG002 - every gate is asked alike
        """Return the median over the executions, with its confidence sequence."""
        if not self._values:
            return None
        interval = median_sequence(self._values, 1 - DISPLAY_LEVEL)
        return Estimate(
            name=self.requirement.label,
            unit=self.requirement.quantity.unit,
            value=median(self._values),
            lower=interval[0] if interval else None,
            upper=interval[1] if interval else None,
            level=DISPLAY_LEVEL,
            count=len(self._values),
            best=max(self._values),
        )

    def out_of_reach(self, slots: int, profile: Trace) -> str:
        """Return why `slots` worker slots can never meet it on the items of `profile`, or an empty string.

        With a timed source one item more may be in service: the one that is being made.
        """
        if profile.sample is not None:
            return (
                f"of its {profile.num_visits:,} visits only a sample is kept, which has no overlap: "
                "use fewer items"
            )
        has_source, items = SOURCE_STAGE in profile.stage_names, profile.num_items
        limit = self.requirement.effective_limit
        if limit <= min(slots + has_source, items):
            return ""
        asks = f"it asks {show_quantity(self.requirement.limit, 'items')}"
        if limit > slots + has_source:
            source = " and the source" if has_source else ""
            return f"{asks}, this plan has {count(slots, 'worker slot')}{source}"
        return f"{asks}, there are {count(items, 'item')}: use more"

    def _take(self, value: float) -> None:
        self._values.append(value)
        # A serial loop has 1, and never meets a limit that a tolerance lets down to it.
        self._reached += value > 1 and value >= self.requirement.effective_limit
        if not self._reached and len(self._values) >= self.executions_to_miss:
            self.status = Status.MISSED
        elif SHALLOW.log_e(self._reached, len(self._values)) >= log_threshold(self._errors.met):
            self.status = Status.MET
