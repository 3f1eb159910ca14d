"""The same bounded record where a row stands for several consecutive items."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_pipeline.executors._recorder import ALL, FIELDS, Recorder, is_kept

if TYPE_CHECKING:
    from pytest_pipeline.model.trace import Ints

_COUNT, _FINISHED = 2, 4


class ChunkRecorder(Recorder):
    """Rows of (first item, stage, items, started_ns, finished_ns).

    A row is kept whole up to the limit. Beyond it the sample is of items, as in every worker,
    however they were cut into chunks there. Items of a row share its time evenly, but none of them
    is handed on before the last: a row of one item has, instead of a count, how many ns before the
    end of its chunk its share ends, as a number that is not positive.
    """

    __slots__ = ()

    def table(self, threshold: int) -> Ints:
        """Return a row for each item whose hash is below `threshold`."""
        return _per_item(self._joined(), threshold)

    def _size(self, table: Ints) -> int:
        return int(_counts(table).sum())

    def _visits_by_stage(self, table: Ints) -> Ints:
        counts = np.bincount(table[:, 1], weights=_counts(table))
        return np.asarray(counts, dtype=np.int64)

    def _sampled(self, table: Ints, threshold: int) -> Ints:
        return table if threshold == ALL else _per_item(table, threshold)


def chunk_ends(table: Ints) -> Ints:
    """Return for rows of one item when the last item of its chunk was through, ns."""
    return np.asarray(table[:, _FINISHED] - np.minimum(table[:, _COUNT], 0), dtype=np.int64)


def _counts(table: Ints) -> Ints:
    return np.asarray(np.maximum(table[:, _COUNT], 1), dtype=np.int64)


def _per_item(table: Ints, threshold: int) -> Ints:
    """Return a row of its own for each item that is kept."""
    counts = _counts(table)
    row = np.repeat(np.arange(len(table)), counts)
    place = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    item = table[row, 0] + place
    if threshold != ALL:
        kept = is_kept(item, threshold)
        row, place, item = row[kept], place[kept], item[kept]
    started, share = table[row, 3], counts[row]
    span = table[row, _FINISHED] - started
    found = np.empty((len(row), FIELDS), dtype=np.int64)
    found[:, 0], found[:, 1] = item, table[row, 1]
    found[:, 3] = started + span * place // share
    found[:, _FINISHED] = started + span * (place + 1) // share
    found[:, _COUNT] = found[:, _FINISHED] - chunk_ends(table)[row]
    return found
