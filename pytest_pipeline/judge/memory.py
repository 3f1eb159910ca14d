"""The peak-memory gate: the largest increase over executions on fresh workers.

No e-process: a peak is not noise around a truth. Proportional set size is memory that *our* processes
hold, so a neighbour's memory is never counted; what it can do is small (a page of a shared library
counts 1/n, and n falls when another process unmaps it). Sampling errs on one side only: it can miss a
short peak and cannot invent one. Hence the rule, over executions with fresh workers each:

    met      all of at least three are within the effective limit
    missed   two of at most five exceed it: one may have met something that happens once (a cache
             filled for good, a collection that came late), two have not
    else     one of five exceeded it: inconclusive, the executions disagree

Deterministic in the readings; what is shown is the largest of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from pytest_pipeline.judge.estimates import DISPLAY_LEVEL
from pytest_pipeline.judge.gate import Status, count
from pytest_pipeline.model.estimate import Estimate
from pytest_pipeline.model.memory import MemoryReading
from pytest_pipeline.model.requirement import Requirement
from pytest_pipeline.model.rounds import Round
from pytest_pipeline.model.units import show_quantity

LEAST_READINGS = 3
"""Readings below which nothing is met."""

MOST_READINGS = 5
"""Readings after which a gate is decided or disagrees with itself."""

MISSES = 2
"""Readings above the limit that make a gate missed."""


class MemoryGate:
    """A maximum on the memory that one execution adds."""

    is_unsteady = False
    """Never: the largest reading counts, whatever the others are."""

    def __init__(self, requirement: Requirement, executor: str) -> None:
        self.requirement = requirement
        self.executor = executor
        self.readings: list[MemoryReading] = []
        self.dirty = 0

    @property
    def clean(self) -> int:
        """Readings taken."""
        return len(self.readings)

    @property
    def peak_bytes(self) -> int:
        """Largest increase so far; 0 without a reading."""
        return max((each.increase_bytes for each in self.readings), default=0)

    @property
    def above(self) -> int:
        """Readings above the effective limit."""
        limit = self.requirement.effective_limit
        return sum(each.increase_bytes > limit for each in self.readings)

    @property
    def status(self) -> Status:
        """Where it stands."""
        if self.above >= MISSES:
            return Status.MISSED
        if self.clean < (LEAST_READINGS if not self.above else MOST_READINGS):
            return Status.OPEN
        return Status.DISAGREED if self.above else Status.MET

    @property
    def counted(self) -> str:
        """How the largest was found, for the headline."""
        if not self.readings:
            return "no execution"
        largest = max(self.readings, key=lambda each: each.increase_bytes)
        looked = f"largest of {count(self.clean, 'execution')}"
        return f"{looked}, {largest.kind} every {show_quantity(largest.period_s, 's')}"

    def estimate(self, rounds: Sequence[Round]) -> Estimate | None:  # noqa: ARG002 - every gate is asked alike
        """Return the largest increase; no interval, the verdict looks at every reading."""
        if not self.readings:
            return None
        quantity = self.requirement.quantity
        value = float(self.peak_bytes)
        return Estimate(quantity.label, quantity.unit, value, None, None, DISPLAY_LEVEL, self.clean)

    def observe(self, reading: MemoryReading) -> None:
        """Take the reading of one execution."""
        self.readings.append(reading)
