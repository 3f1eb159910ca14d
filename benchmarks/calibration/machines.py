"""The gates' rows, machine by machine: what a sum over several kinds of processor would hide."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks._tables import table
from benchmarks.calibration.cells import Cell
from benchmarks.calibration.store import Record, Store
from benchmarks.calibration.summary import summarise


def machine_table(cells: Sequence[Cell], store: Store) -> str:
    """Return a row per cell that has runs and a column per machine, or a sentence where there is one machine."""
    machines = store.by_machine("run")
    if len(machines) < 2:
        return "All runs are of one machine."
    counts = store.counts()
    rows = [
        [cell.name, *(_said(cell, runs) for runs in machines.values())]
        for cell in cells
        if counts[cell.name]
    ]
    return table(["experiment", *machines], rows)


def _said(cell: Cell, runs: Sequence[Record]) -> str:
    """Return `98: 88 met, 10 near-limit`."""
    found = summarise(cell, [record for record in runs if record["cell"] == cell.name])
    if not found.runs:
        return "-"
    counted = [("met", found.verdicts["met"]), ("missed", found.verdicts["missed"])]
    counted += found.reasons.most_common()
    return f"{found.runs}: " + ", ".join(f"{count} {what}" for what, count in counted if count)
