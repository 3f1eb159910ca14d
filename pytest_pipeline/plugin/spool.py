"""Evidence against crashes: each xdist worker appends what it has measured to a file of its own.

A result normally travels on the test's report. A worker that dies takes the report with it, so the
controller reads the rest here: one JSON object a line, the last one of an attempt counts.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_pipeline.plugin.session import result_of
from pytest_pipeline.plugin.shared import worker_folder
from pytest_pipeline.plugin.state import Run, state_of
from pytest_pipeline.plugin.workers import is_worker, worker_id

if TYPE_CHECKING:
    from pytest_pipeline.model.comparison import Comparison

SUFFIX = ".spool.jsonl"

EVERY_S = 2.0
"""Between two lines about one measurement: each takes milliseconds, between two rounds."""


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
        """Write a line, but not more often than every few seconds."""
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
        """Write down all runs of the test so far: the last is complete, or was interrupted."""
        try:
            self._write(list(state_of(self._item).runs), "died before this test ended")
        except Exception:
            self._so_far = None

    def _write(self, runs: list[Run], what: str) -> None:
        state = state_of(self._item)
        error = state.error or f"worker {worker_id(self._item.config)} {what}"
        plain = result_of(
            self._item, dataclasses.replace(state, runs=runs, error=error), seconds=0.0
        )
        config = self._item.config
        path = Path(worker_folder(config)) / f"{worker_id(config)}{SUFFIX}"
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(plain, default=str) + "\n")


def journal_of(item: pytest.Item) -> Journal | None:
    """Return a journal in an xdist worker; elsewhere nobody would be left to read it."""
    return Journal(item) if is_worker(item.config) else None


def spooled(folder: str) -> Iterator[dict[str, Any]]:
    """Yield what the workers wrote down; a line that was cut by a crash is left out."""
    for path in sorted(Path(folder).glob(f"*{SUFFIX}")):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                continue
