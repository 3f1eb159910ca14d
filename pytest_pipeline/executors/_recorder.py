"""What a worker writes down per visit: a flat row of integers, in bounded memory.

Cost of a visit in ns on CPython 3.11, its two clock readings (88) included, and that of turning
the rows into columns. A `list.extend` by a tuple is the cheapest: integers are no work for the
garbage collector, and the tuple comes from a free list.

| tried                               | visit | columns |
|-------------------------------------|-------|---------|
| a tuple appended to a list          | 245   | 450     |
| `array.extend` by a tuple           | 345   | 0       |
| an `array.append` per integer       | 316   | 0       |
| items of a preallocated array       | 318   | 0       |
| `struct.pack_into` a bytearray      | 212   | 0       |
| `list.extend` by a tuple (this one) | 165   | 66      |

Every worker has a recorder of its own and nobody else reads it before the run is over, so nothing
here relies on the GIL.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pytest_pipeline.model.trace import Sample, Visits

if TYPE_CHECKING:
    from pytest_pipeline.model.trace import Floats, Ints

MOST_VISITS = 1_000_000
"""Visits of one execution that are kept, over all its workers: 40 bytes each."""

FOLD_EVERY = 512
"""Visits between two calls of `Recorder.fold`: their integers take 65 kB as Python objects.

Those of three stages stay in a core's cache. Three recorders in turn, CPU time of a visit at 1,000, 100,000
and a million items, by the visits between two folds: 512 gave 0.29, 0.40 and 0.45 us, 4096 gave 0.30, 0.59
and 0.69; 256 and 1024 are no better than 512 (medians on a busy machine)."""

SEED = 20261122
"""Of the sample that is kept beyond `MOST_VISITS`."""

FIELDS = 5
"""Integers of a row."""

ALL = 2**64 - 1
"""Threshold of a recorder that keeps every item."""

_DUE = FIELDS * FOLD_EVERY


class Recorder:
    """Visits of one worker. Beyond its limit it keeps those of a seeded sample of the items.

    The sample is of items and not of visits: every worker keeps the same ones (those whose hash is
    below a threshold that halves whenever a worker runs full), so that a kept item is kept in all
    its stages. Counts and service times stay exact.
    """

    __slots__ = ("_kept", "_parts", "_rows", "add", "counts", "limit", "service_ns", "threshold")

    def __init__(self, limit: int = MOST_VISITS) -> None:
        self.limit = limit
        self.threshold = ALL
        self.counts: Ints = np.zeros(0, dtype=np.int64)
        self.service_ns: Ints = np.zeros(0, dtype=np.int64)
        self._rows: list[int] = []
        self._parts: list[Ints] = []
        self._kept = 0
        self.add = self._rows.extend
        """Append one visit: (item, stage, enqueued_ns, started_ns, finished_ns)."""

    def __reduce__(self) -> tuple[Any, ...]:
        self.finish()
        columns = (self.counts, self.service_ns, self._joined())
        return _thawed, (type(self), self.limit, self.threshold, *columns)

    @property
    def is_empty(self) -> bool:
        """True until the first visit was added."""
        return not self._rows and not self._parts

    def fold_if_due(self) -> None:
        """Fold once enough was added: for those who do not count visits themselves."""
        if len(self._rows) >= _DUE:
            self.fold()

    def fold(self) -> None:
        """Turn what was added into columns, and drop what is beyond the limit."""
        if not self._rows:
            return
        table = np.fromiter(self._rows, np.int64, len(self._rows)).reshape(-1, FIELDS)
        self._rows.clear()
        if self.threshold != ALL:
            self._count(table)
        self._parts.append(self._sampled(table, self.threshold))
        self._kept += self._size(self._parts[-1])
        if self._kept > self.limit:
            self._drop()

    def finish(self) -> None:
        """Bring counts and sums up to date, when the run is over."""
        self.fold()
        if self.threshold == ALL:
            self.counts = self.service_ns = np.zeros(0, dtype=np.int64)
            self._count(self._joined())

    def table(self, threshold: int) -> Ints:
        """Return the rows of the items whose hash is below `threshold`, shape (visits, 5)."""
        return self._sampled(self._joined(), threshold)

    def _size(self, table: Ints) -> int:
        """Return the visits that the rows stand for."""
        return len(table)

    def _visits_by_stage(self, table: Ints) -> Ints:
        return np.bincount(table[:, 1])

    def _sampled(self, table: Ints, threshold: int) -> Ints:
        return table if threshold == ALL else table[is_kept(table[:, 0], threshold)]

    def _count(self, table: Ints) -> None:
        stage, spent = table[:, 1], table[:, 4] - table[:, 3]
        self.counts = added(self.counts, self._visits_by_stage(table))
        # Weights are floats: exact, as long as a stage's sum stays below 2**53 ns (104 days).
        self.service_ns = added(self.service_ns, np.bincount(stage, weights=spent).astype(np.int64))

    def _drop(self) -> None:
        table = self._joined()
        if self.threshold == ALL:
            self._count(table)  # once something is dropped, whatever comes is counted as it comes
        while self._size(table) > self.limit:
            self.threshold //= 2
            table = self._sampled(table, self.threshold)
        self._parts, self._kept = [table], self._size(table)

    def _joined(self) -> Ints:
        return np.concatenate([np.zeros((0, FIELDS), dtype=np.int64), *self._parts])


class Recording:
    """The visits of all the workers of a run that is over."""

    def __init__(self, recorders: Sequence[tuple[int, Recorder]], stages: int) -> None:
        """Take (worker slot, recorder) pairs; `stages` counts the source when it is timed."""
        for _, recorder in recorders:
            recorder.finish()
        self._threshold = min((recorder.threshold for _, recorder in recorders), default=ALL)
        counts = service = np.zeros(stages, dtype=np.int64)
        tables, slots = [], []
        for slot, recorder in recorders:
            counts, service = added(counts, recorder.counts), added(service, recorder.service_ns)
            tables.append(recorder.table(self._threshold))
            slots.append(np.full(len(tables[-1]), slot, dtype=np.int64))
        table = np.concatenate([np.zeros((0, FIELDS), dtype=np.int64), *tables])
        item, stage, enqueued, started, finished = (
            np.ascontiguousarray(table[:, k]) for k in range(FIELDS)
        )
        slot_of = np.concatenate([np.zeros(0, dtype=np.int64), *slots])
        self.visits = Visits(item, stage, slot_of, enqueued, started, finished)
        self.service_s: Floats = service / 1e9
        """Exact seconds inside each stage, kept visits or not."""
        self._num_visits = int(counts.sum())

    def sample(self, num_items: int, chunk: int) -> Sample | None:
        """Return which of the items were kept; None when all were."""
        return sample_of(self._threshold, num_items, self._num_visits, chunk)


def sample_of(threshold: int, num_items: int, num_visits: int, chunk: int = 1) -> Sample | None:
    """Return the items below `threshold`, all of a chunk if its first is; None when all were kept."""
    if threshold == ALL:
        return None
    firsts = np.arange(0, num_items, chunk, dtype=np.int64)
    firsts = firsts[is_kept(firsts, threshold)]
    items = (firsts[:, None] + np.arange(chunk)).ravel()
    return Sample(items[items < num_items], num_items, num_visits, SEED)


def is_kept(items: Ints, threshold: int) -> npt.NDArray[np.bool_]:
    """Return for each item whether its hash is below `threshold`."""
    return _hash(items) < np.uint64(threshold)


def _thawed(kind: type[Recorder], limit: int, threshold: int, *columns: Ints) -> Recorder:
    recorder = kind(limit)
    recorder.threshold = threshold
    recorder.counts, recorder.service_ns, table = columns
    recorder._parts = [table]  # noqa: SLF001 - the other half of `__reduce__`
    return recorder


def _hash(items: Ints) -> npt.NDArray[np.uint64]:
    """Return 64 well-mixed bits per item (the finaliser of SplitMix64, Steele et al. 2014)."""
    mixed = (items.astype(np.uint64) + np.uint64(SEED)) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)), dtype=np.uint64)


def added(left: Ints, right: Ints) -> Ints:
    """Return the sum of two arrays, the shorter one filled up with zeros."""
    total = np.zeros(max(len(left), len(right)), dtype=np.int64)
    total[: len(left)] += left
    total[: len(right)] += right
    return total
