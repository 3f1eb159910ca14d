"""The session: one run after the other until the time is over; interrupting it loses only the run."""

from __future__ import annotations

import datetime as dt
import subprocess
import time
from collections.abc import Sequence

from benchmarks.calibration.cells import Cell
from benchmarks.calibration.clean import NotQuietError, clean_of, key_of, settle, workload_of
from benchmarks.calibration.one_run import run_cell
from benchmarks.calibration.schedule import next_cell, seconds_per_run
from benchmarks.calibration.store import Record, Store
from pytest_pipeline import compare
from pytest_pipeline.measure.system import host

SETTLE_S = 0.3
"""Pause after a run beside a neighbour, seconds."""


class Session:
    """Runs cells until `minutes` are over and appends every run to `store`."""

    def __init__(self, cells: Sequence[Cell], store: Store, minutes: float) -> None:
        self._cells = cells
        self._store = store
        self._began = time.monotonic()
        self._deadline = self._began + 60 * minutes
        self._done = 0

    def run(self) -> None:
        """Learn what is clean while nothing disturbs, then run."""
        self._store.append(_session())
        self._prime()
        while (cell := self._next()) is not None:
            clean = self._clean_of(cell)
            if clean is None:
                continue
            index = self._store.counts()[cell.name]
            record = run_cell(cell, index, clean)
            self._store.append(record)
            self._done += 1
            print(self._line(cell, index, record), flush=True)
            if cell.neighbour != "none":
                settle(SETTLE_S)

    def _prime(self) -> None:
        """Let every kind of control kernel learn its reference on the idle machine."""
        kinds: dict[str, tuple[Cell, Record]] = {}
        for cell in self._learned():
            clean = clean_of(cell, self._store)
            if not cell.needs_own_process and cell.work == "compute":
                kinds.setdefault(cell.executor, (cell, clean))
        for cell, clean in kinds.values():
            work = workload_of(cell, clean, seed=0, is_healthy=True)
            found = compare(work.stages, work.items, executors=[cell.executor])
            speedup = found[cell.executor].speedup
            now = "nothing" if speedup is None else f"{speedup.value:.2f}x"
            print(f"{key_of(cell)}: {now} now, {clean['speedup']:.2f}x as learned of late")

    def _learned(self) -> Sequence[Cell]:
        """Return the cells whose clean speedup is known; raises `NotQuietError` when there is none."""
        for cell in tuple(self._cells):
            if cell in self._cells:
                self._clean_of(cell)
        if not self._cells:
            raise NotQuietError("no clean speedup could be learned: wait until the machine is idle")
        return self._cells

    def _clean_of(self, cell: Cell) -> Record | None:
        """Return the cell's clean record, or None after leaving it and all of its key out of this session."""
        try:
            return clean_of(cell, self._store)
        except NotQuietError as error:
            print(f"left out of this session: {error}", flush=True)
        self._cells = [each for each in self._cells if key_of(each) != key_of(cell)]
        return None

    def _next(self) -> Cell | None:
        return next_cell(
            self._cells,
            self._store.counts(),
            seconds_per_run(self._store.of_kind("run")),
            self._deadline - time.monotonic(),
        )

    def _line(self, cell: Cell, index: int, record: Record) -> str:
        elapsed = time.monotonic() - self._began
        rounds = f"{record['clean']} clean, {record['dirty']} disturbed"
        reason = f" ({record['reason']})" if record["reason"] else ""
        return (
            f"{elapsed / 60:5.1f} min, {3600 * self._done / elapsed:4.0f} runs/h | {cell.name}, "
            f"{index + 1} of {cell.runs}: {record['verdict']}{reason}, {rounds}, {record['seconds']:.1f} s"
        )


def _session() -> Record:
    environment = host.describe()
    quota = "" if environment.cpu_quota is None else f", quota {environment.cpu_quota:g}"
    return {
        "kind": "session",
        "at": dt.datetime.now(tz=dt.UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "machine": f"{environment.cpu}, {environment.cores_usable} usable cores{quota}, {environment.python}",
    }


def _commit() -> str:
    command = ["git", "rev-parse", "--short=10", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
