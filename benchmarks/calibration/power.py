"""Operating characteristic of the speedup gate: what it said, by what the code really reached in that run.

The rows of `The gates` are named after the clean speedup of the hour; a virtual machine's own speedup in the
half minute of one run is another. Here the runs are sorted by the latter.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from benchmarks._tables import table
from benchmarks.calibration.cells import Cell
from benchmarks.calibration.store import Record, Store
from benchmarks.calibration.summary import DECIDED, reached, share_text

EDGES = (0.0, 0.80, 0.90, 0.97, 1.03, 1.10, 1.20, math.inf)
"""Bounds of the classes, speedup in the run's own clean rounds over the `min` asked for."""

HEADER = ("reached / min", "n", "met", "missed", "inconclusive", "met, 95 % interval")


def power_table(cells: Sequence[Cell], store: Store) -> str:
    """Return a row per class of `reached / min` over the speedup cells on all cores without a neighbour."""
    found = [
        (value, record)
        for cell in cells
        if cell.neighbour == "none" and cell.cores is None and cell.work != "service"
        for record in store.runs(cell.name)
        for value in reached(record)
    ]
    return table(HEADER, list(_rows(found))) if found else "No runs yet."


def _rows(found: Sequence[tuple[float, Record]]) -> Iterator[list[str]]:
    for low, high in pairwise(EDGES):
        runs = [record for value, record in found if low <= value < high]
        if runs:
            yield [_name(low, high), *_counts(runs)]


def _name(low: float, high: float) -> str:
    if math.isinf(high):
        return f"from {low:.2f}"
    return f"{low:.2f} to {high:.2f}" if low else f"below {high:.2f}"


def _counts(runs: Sequence[Record]) -> list[str]:
    verdicts = Counter(record["verdict"] for record in runs)
    reasons = Counter(record["reason"] for record in runs if record["verdict"] not in DECIDED)
    undecided = reasons.total()
    why = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    return [
        str(len(runs)),
        str(verdicts["met"]),
        str(verdicts["missed"]),
        f"{undecided} ({why})" if why else str(undecided),
        share_text(verdicts["met"], len(runs)),
    ]
