"""The item ledger: where the latency of an item went, as a mean over the items of one execution."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ItemRow:
    """What one stage adds to the latency of an item."""

    name: str
    """Stage name."""
    queueing_s: float
    """Mean wait in front of the stage, seconds; in front of the first stage since the item entered."""
    service_s: float
    """Mean time inside the stage function, seconds (of the whole chunk or an even share of it, when items travel in chunks)."""
    blocked_s: float
    """Mean wait behind the stage for room in the next queue, seconds."""
    mean_queue_length: float
    """Items that waited in front of the stage, as a mean over the makespan; from the order of events."""


@dataclass(frozen=True, slots=True)
class ItemLedger:
    """Parts of the mean latency: its rows, transfer and the unaccounted rest add up to it.

    An execution without outputs has none.
    """

    rows: tuple[ItemRow, ...]
    """One per stage, in visiting order; the source first when it is timed."""
    latency_s: float
    """Mean latency, seconds."""
    transfer_s: float
    """Mean time on the way between processes where the executor stamps it per item, seconds; where
    it does not, it is part of the queueing in front of the first stage."""
    unaccounted_s: float
    """The mean latency minus all the parts, seconds."""
    num_items: int
    """Items that it is the mean of: the emitted ones whose stamps were kept."""
    num_emitted: int
    """Items that the execution emitted."""
    makespan_s: float
    """Makespan of the execution, seconds."""
    chunk: int = 1
    """Items that travelled together: each of them has the latency of all."""

    @property
    def little_gap(self) -> float:
        """Return by which share the sum of queueing and mean queue length x makespan differ, 0-1.

        Little's law (1961) over a finite run in which every item that arrives also leaves: both
        count the same waiting, one item by item and one moment by moment.
        """
        by_item = sum(row.queueing_s for row in self.rows) * self.num_emitted
        by_moment = sum(row.mean_queue_length for row in self.rows) * self.makespan_s
        largest = max(by_item, by_moment)
        return abs(by_item - by_moment) / largest if largest > 0 else 0.0
