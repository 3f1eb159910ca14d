"""Which cell is run next: the one furthest from the runs it needs, so that every row gets some early."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from benchmarks.calibration.cells import Cell
from benchmarks.calibration.store import Record

SHORT_RUN_S = 10.0
ROUNDS = 40
"""A run of a cell that never ran is taken to last SHORT_RUN_S and ROUNDS of its serial arms."""


def guess_s(cell: Cell) -> float:
    """Return what a run is taken to last before there is one, seconds."""
    return SHORT_RUN_S + ROUNDS * cell.arm_s


def seconds_per_run(runs: Sequence[Record]) -> dict[str, float]:
    """Return the median seconds of one run, per cell that has any."""
    by_cell: dict[str, list[float]] = {}
    for record in runs:
        by_cell.setdefault(record["cell"], []).append(record["seconds"])
    return {name: median(values) for name, values in by_cell.items()}


def next_cell(
    cells: Sequence[Cell],
    counts: Mapping[str, int],
    lasts_s: Mapping[str, float],
    left_s: float,
) -> Cell | None:
    """Return the unfinished cell with the smallest share of its runs that still fits, or None."""
    fitting = [
        cell
        for cell in cells
        if counts.get(cell.name, 0) < cell.runs and lasts_s.get(cell.name, guess_s(cell)) <= left_s
    ]
    return min(fitting, key=lambda cell: counts.get(cell.name, 0) / cell.runs, default=None)


def remaining_s(cell: Cell, counts: Mapping[str, int], lasts_s: Mapping[str, float]) -> float:
    """Return the projected seconds until the cell has all its runs."""
    missing = max(0, cell.runs - counts.get(cell.name, 0))
    return missing * lasts_s.get(cell.name, guess_s(cell))
