"""What one execution leaves behind: outputs, times per item and stage, failures, and its ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pytest_pipeline.model.device import DeviceRun
from pytest_pipeline.model.ledger import Ledger, LedgerRow

if TYPE_CHECKING:
    import pandas as pd

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

MOST_FAILURES = 20
"""Failures that a trace keeps in words; it keeps the indices of all the failed items anyway."""


@dataclass(frozen=True, slots=True, eq=False)
class Visits:
    """One row per visit (one item in one stage), as columns of equal length, in no fixed order."""

    item: Ints
    """Index of the item in the source, from 0."""
    stage: Ints
    """Index into `Trace.stage_names`."""
    worker: Ints
    """Worker slot within the stage (or within the shared pool), from 0."""
    enqueued_ns: Ints
    """When the item became available to this stage."""
    started_ns: Ints
    """When the stage function was called."""
    finished_ns: Ints
    """When it returned."""

    def __len__(self) -> int:
        return len(self.item)


@dataclass(frozen=True, slots=True)
class ItemFailure:
    """One item that failed while errors were collected."""

    item: int
    """Index of the item in the source."""
    stage: str
    """Name of the stage that raised."""
    error: str
    """Type and first line of the message of the exception, shortened."""


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Which items a trace still holds the stamps of, when there were too many visits to keep."""

    items: Ints
    """Indices in the source of the kept items, ascending: a seeded sample, uniform over all items."""
    num_items: int
    """Items of the execution, kept or not."""
    num_visits: int
    """Visits of the execution, kept or not."""
    seed: int
    """Of the hash that chose the items."""


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """One execution of a plan under one executor. Stamps share one clock domain.

    Arrays are one-dimensional: `visits` by visit, the others by item.
    """

    executor: str
    """Name of the executor."""
    stage_names: tuple[str, ...]
    """Names in visiting order; begins with `source` when the items came from a callable."""
    outputs: list[Any]
    """In input order; failed items are left out."""
    began_ns: int
    """Clock reading when the workers were ready and the first item could be taken."""
    ended_ns: int
    """Clock reading when the last output had arrived."""
    first_result_ns: int
    """Clock reading when the first output arrived."""
    startup_s: float
    """Seconds that starting the workers took (0 in later executions of an open pool)."""
    visits: Visits
    """One row per visit (per chunk and stage with `chunk` > 1) of the items that were kept. With `handed_over` > 1
    nothing stamps the single item: it has the stamps of its chunk, or an even share of its time."""
    admitted_ns: Ints
    """Per kept item: when it entered (closed loop) or was meant to enter (open loop)."""
    emitted_ns: Ints
    """Per kept item: when its last stage finished, with its whole chunk where items travel in chunks; 0 for failed items."""
    send_lag_s: Floats
    """Per item, open loop: how late the generator itself woke up, seconds (waiting for room is part of the
    latency, not of the lag); empty in closed loop."""
    ledger: Ledger
    """Where the worker time went."""
    failures: tuple[ItemFailure, ...] = ()
    """The first collected failures, in input order; `failed_items` counts them all."""
    failed_items: tuple[int, ...] = ()
    """Index of every item that failed while errors were collected, ascending."""
    chunk: int = 1
    """Items that travelled together: a visit of item i stands for the items i to i + chunk - 1."""
    sample: Sample | None = None
    """What was kept of more visits than a trace may hold; None when all items were kept."""
    empty_run_s: float | None = None
    """Makespan of an execution without items on these workers, seconds: what the executor itself
    costs each time, apart from start-up. None where it was not measured."""
    devices: tuple[DeviceRun, ...] = ()
    """What each device did; empty for executors without one."""
    handed_over: int = 1
    """Items handed over at a time, at most: they finish together, so that an item's latency is that of its chunk."""

    @property
    def num_items(self) -> int:
        """Items of the execution, kept or not."""
        return len(self.admitted_ns) if self.sample is None else self.sample.num_items

    @property
    def num_visits(self) -> int:
        """Visits of the execution (chunks count once), kept or not."""
        return len(self.visits) if self.sample is None else self.sample.num_visits

    @property
    def visit_counts(self) -> Ints:
        """Items that each row of `visits` stands for: `chunk`, fewer at the end of the source."""
        return np.minimum(self.chunk, self.num_items - self.visits.item)

    def rows_of(self, items: Ints) -> Ints:
        """Return where `items` (kept ones) stand in `admitted_ns` and `emitted_ns`."""
        if self.sample is None:
            return items
        return np.asarray(np.searchsorted(self.sample.items, items), dtype=np.int64)

    @property
    def makespan_s(self) -> float:
        """Seconds from the first admission to the last output."""
        return (self.ended_ns - self.began_ns) / 1e9

    @property
    def first_result_s(self) -> float:
        """Seconds to the first output."""
        return (self.first_result_ns - self.began_ns) / 1e9

    @property
    def latency_s(self) -> Floats:
        """Seconds from entry (intended entry in open loop) to the last stage's end: one value per emitted item that was kept."""
        done = self.emitted_ns > 0
        return np.asarray((self.emitted_ns[done] - self.admitted_ns[done]) / 1e9, dtype=np.float64)

    @property
    def stages(self) -> dict[str, LedgerRow]:
        """Ledger row of each stage."""
        return {row.name: row for row in self.ledger.rows}

    def stamps(self, stage: int) -> tuple[Ints, Ints, Ints]:
        """Return enqueued, started and finished, nanoseconds, of every kept item in stage number `stage`; 0 where it was not."""
        mine = self.visits.stage == stage
        items = self.visits.item[mine]
        kept = np.arange(len(self.admitted_ns)) if self.sample is None else self.sample.items
        enqueued, started, finished = (
            per_item(kept, self.chunk, items, column[mine])
            for column in (self.visits.enqueued_ns, self.visits.started_ns, self.visits.finished_ns)
        )
        return enqueued, started, finished

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame with a row per visit: item, stage's name, worker, and three stamps in nanoseconds.

        Raises `ModuleNotFoundError` without the `pandas` extra.
        """
        import pandas as pd

        visits = self.visits
        return pd.DataFrame(
            {
                "item": visits.item,
                "stage": [self.stage_names[i] for i in visits.stage],
                "worker": visits.worker,
                "enqueued_ns": visits.enqueued_ns,
                "started_ns": visits.started_ns,
                "finished_ns": visits.finished_ns,
            }
        )


def make_visits(rows: Sequence[tuple[int, int, int, int, int, int]]) -> Visits:
    """Build `Visits` from rows of (item, stage, worker, enqueued_ns, started_ns, finished_ns)."""
    table = np.array(rows, dtype=np.int64).reshape(-1, 6)
    return Visits(*(np.ascontiguousarray(table[:, k]) for k in range(6)))


def per_item(kept: Ints, chunk: int, items: Ints, stamps: Ints) -> Ints:
    """Return the stamp of each kept item: its own, or that of its chunk; 0 where there is none."""
    found = np.zeros(len(kept), dtype=np.int64)
    heads = kept - kept % chunk
    order = np.argsort(items)
    items, stamps = items[order], stamps[order]
    at = np.minimum(np.searchsorted(items, heads), max(0, len(items) - 1))
    if len(items):
        known = items[at] == heads
        found[known] = stamps[at[known]]
    return found
