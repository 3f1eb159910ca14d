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

from pytest_pipeline.judge.gate import Status
from pytest_pipeline.model.memory import MemoryReading
from pytest_pipeline.model.requirement import Requirement

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

    def observe(self, reading: MemoryReading) -> None:
        """Take the reading of one execution."""
        self.readings.append(reading)
