"""Evidence against crashes: each xdist worker keeps what a test has measured in a file, the latest state only.

A result normally travels on the test's report. A worker that dies takes the report with it, so the
controller reads the rest here. Files of tests whose report has long been sent are removed: a session of
hundreds of measuring tests leaves no more behind than one of two.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_pipeline.plugin.session import result_of
from pytest_pipeline.plugin.shared import worker_folder
from pytest_pipeline.plugin.state import Run, state_of
from pytest_pipeline.plugin.workers import is_worker, worker_id

if TYPE_CHECKING:
    from pytest_pipeline.model.comparison import Comparison

SUFFIX = ".spool.json"

EVERY_S = 2.0
"""Between two states of one measurement: each takes milliseconds, between two rounds."""

FILES = 2
"""Files that a worker keeps: that of the test that runs, and of the one before, whose report may be on its way."""

_WRITTEN: pytest.StashKey[list[Path]] = pytest.StashKey()
"""The files of this worker, oldest first."""


class Journal:
    """Writes down one measurement while it runs. Losing it must never hurt the measurement."""

    def __init__(self, item: pytest.Item, now: Callable[[], float] = time.monotonic) -> None:
        self._item = item
        self._now = now
        self._next_s = now()
        self._so_far: Callable[[], Comparison] | None = None

    def began(self, so_far: Callable[[], Comparison]) -> None:
        """Take the way to ask what there is; until then only the test's name can be written."""
        self._so_far = so_far

    def progress(self, text: str) -> None:
        """Write the state, but not more often than every few seconds."""
        if self._now() < self._next_s:
            return
        runs = list(state_of(self._item).runs)
        try:
            if self._so_far is not None:
                runs.append(Run(self._so_far()))
            self._write(runs, f"died in the middle of a measurement ({text})")
        except Exception:  # a full disk, or a measurement too young to be described
            self._so_far = None
        self._next_s = self._now() + EVERY_S

    def finished(self) -> None:
        """Write down all that the test has measured: the last of it is complete, or was interrupted.

        Nothing is left where there is nothing, as after a run that was skipped from inside.
        """
        state = state_of(self._item)
        try:
            if state.is_relevant:
                self._write(list(state.runs), "died before this test ended")
            else:
                self._path.unlink(missing_ok=True)
        except Exception:
            self._so_far = None

    @property
    def _path(self) -> Path:
        config, attempt = self._item.config, state_of(self._item).attempt
        test = hashlib.sha256(f"{self._item.nodeid} {attempt}".encode()).hexdigest()[:16]
        return Path(worker_folder(config)) / f"{worker_id(config)}-{test}{SUFFIX}"

    def _write(self, runs: list[Run], what: str) -> None:
        state = state_of(self._item)
        error = state.error or f"worker {worker_id(self._item.config)} {what}"
        plain = result_of(
            self._item, dataclasses.replace(state, runs=runs, error=error), seconds=0.0
        )
        path = self._path
        unfinished = path.with_suffix(".new")
        unfinished.write_text(json.dumps(plain, default=str), encoding="utf-8")
        unfinished.replace(path)  # a crash in the middle leaves the state before
        self._forget_others(path)

    def _forget_others(self, path: Path) -> None:
        written = self._item.config.stash.setdefault(_WRITTEN, [])
        if path not in written:
            written.append(path)
        while len(written) > FILES:
            written.pop(0).unlink(missing_ok=True)


def journal_of(item: pytest.Item) -> Journal | None:
    """Return a journal in an xdist worker; elsewhere nobody would be left to read it."""
    return Journal(item) if is_worker(item.config) else None


def spooled(folder: str) -> list[dict[str, Any]]:
    """Return what the workers wrote down, oldest first; what was never whole is left out."""
    found: list[tuple[int, dict[str, Any]]] = []
    for path in Path(folder).glob(f"*{SUFFIX}"):
        with contextlib.suppress(OSError, ValueError):  # a worker that still runs may remove it
            plain = json.loads(path.read_text(encoding="utf-8", errors="replace"))
            found.append((path.stat().st_mtime_ns, plain))
    return [plain for _, plain in sorted(found, key=lambda each: each[0])]
