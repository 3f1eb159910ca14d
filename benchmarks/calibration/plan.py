"""What a cell costs, and how long it will take until it has all its runs."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks._tables import table
from benchmarks.calibration.cells import Cell
from benchmarks.calibration.schedule import remaining_s, seconds_per_run
from benchmarks.calibration.store import Store


def plan_table(cells: Sequence[Cell], store: Store) -> str:
    """Return a table: runs so far, seconds per run, runs per hour, hours until it is complete."""
    counts, lasts_s = store.counts(), seconds_per_run(store.of_kind("run"))
    rows = []
    for cell in cells:
        each = lasts_s.get(cell.name)
        rows.append(
            [
                cell.name,
                f"{counts[cell.name]} of {cell.runs}",
                f"{each:.1f}" if each else "?",
                f"{3600 / each:.0f}" if each else "?",
                f"{remaining_s(cell, counts, lasts_s) / 3600:.2f}",
            ]
        )
    total = sum(remaining_s(cell, counts, lasts_s) for cell in cells) / 3600
    rows.append(["all", "", "", "", f"{total:.2f}"])
    return table(["cell", "runs", "seconds per run", "runs/h", "hours to go"], rows)
