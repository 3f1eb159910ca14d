"""What failed in the executions of one arm while errors were collected."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from pytest_pipeline.model.trace import MOST_FAILURES, ItemFailure, Trace


@dataclass(frozen=True, slots=True)
class FailedShare:
    """How many items of one execution failed."""

    failed: int
    """Items that failed."""
    items: int
    """Items that came out or failed."""
    stretches: int
    """Runs of consecutive failed items, in input order: fewer than `failed` when failures come together."""


@dataclass(slots=True)
class FailureLog:
    """Every execution of one arm, warm-up included; filled in as it happens."""

    executions: list[FailedShare] = field(default_factory=list)
    """In the order in which they were run."""
    first: list[ItemFailure] = field(default_factory=list)
    """The first failures in words."""

    @property
    def items(self) -> int:
        """Items of all the executions."""
        return sum(each.items for each in self.executions)

    @property
    def failed(self) -> int:
        """How many of them failed."""
        return sum(each.failed for each in self.executions)

    def add(self, trace: Trace) -> None:
        """Count one execution."""
        failed = trace.failed_items
        items = len(trace.outputs) + len(failed)
        follows = sum(item == before + 1 for before, item in pairwise(failed))
        self.executions.append(FailedShare(len(failed), items, len(failed) - follows))
        self.first += trace.failures[: MOST_FAILURES - len(self.first)]
