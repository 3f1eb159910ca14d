"""The failed items of one execution that collects errors."""

from __future__ import annotations

from pytest_pipeline.model.trace import MOST_FAILURES, ItemFailure


class FailureRecord:
    """Every index, and the first failures in words: memory stays bounded when all the items fail."""

    __slots__ = ("first", "items")

    def __init__(self) -> None:
        self.items: list[int] = []
        self.first: list[ItemFailure] = []

    def add(self, failure: ItemFailure) -> None:
        """Count one failed item; called in input order."""
        self.items.append(failure.item)
        if len(self.first) < MOST_FAILURES:
            self.first.append(failure)
