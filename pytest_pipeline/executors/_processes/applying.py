"""The caller's surroundings, put around the stages in a worker process."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from pytest_pipeline.executors._context import applied, capped_blas
from pytest_pipeline.executors._processes.tracers import current_coverage
from pytest_pipeline.executors._torch_state import enter_torch_settings

if TYPE_CHECKING:
    from pytest_pipeline.executors._processes.records import Surroundings
    from pytest_pipeline.executors._processes.shipping import Codec

_MOST_COVERAGES = 8
"""Measurements of coverage that may be nested in one process."""


def apply_environ(environ: Mapping[str, str]) -> None:
    """Make the environment variables of this process those of the caller."""
    os.environ.update(environ)
    for name in set(os.environ) - set(environ):
        del os.environ[name]


class Applied:
    """What holds in this process for the current run, and is undone when it is over."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._undo = contextlib.ExitStack()
        self._collector = Collector()
        self._nowhere: TextIO | None = None

    def begin(self, around: Surroundings) -> None:
        """Apply the surroundings of a run."""
        self.end()
        apply_environ(around.environ)
        with contextlib.suppress(OSError):
            os.chdir(around.directory)
        self._undo.enter_context(applied(around.modes))
        self._undo.enter_context(capped_blas(around.blas_cap))
        if around.drops_prints:
            self._undo.enter_context(contextlib.redirect_stdout(self._open_nowhere()))
        self._set_variables(around.variables)
        self._set_decimal(around.decimal)
        if around.torch is not None:
            enter_torch_settings(around.torch, self._undo)
        if not around.is_traced:
            _stop_tracers()
        self._collector.follow(is_on=around.collects_garbage, collections=around.collections)

    def end(self) -> None:
        """Undo what belongs to one run only."""
        self._undo.close()

    def close(self) -> None:
        """Leave the process as it was: what was printed is written at its end."""
        self.end()
        if self._nowhere is not None:
            self._nowhere.close()

    def _set_variables(self, pairs: Sequence[bytes]) -> None:
        for pair in pairs:
            # What does not load here, no stage could have used either.
            with contextlib.suppress(Exception):
                variable, value = self._codec.loads(pair, ())
                self._undo.callback(variable.reset, variable.set(value))

    def _set_decimal(self, context: Any) -> None:
        if context is None:
            return
        import decimal

        self._undo.callback(decimal.setcontext, decimal.getcontext())
        decimal.setcontext(context)

    def _open_nowhere(self) -> TextIO:
        """Return a file that keeps nothing; one for all the runs, since a stage may keep it, or close it."""
        if self._nowhere is None or self._nowhere.closed:
            self._nowhere = Path(os.devnull).open("w", encoding="utf-8", errors="replace")  # noqa: SIM115 - kept
        return self._nowhere


class Collector:
    """Keeps the garbage collector as the caller has it, and collects when the caller has collected."""

    def __init__(self) -> None:
        self._collections = 0

    def follow(self, *, is_on: bool, collections: int) -> None:
        """Do as the caller; `collections` counts the full ones of the caller's process."""
        if is_on and not gc.isenabled():
            gc.unfreeze()
            gc.enable()
        elif not is_on and gc.isenabled():
            gc.disable()
            gc.collect()
            gc.freeze()  # what lives by now would be looked at again in every round
        elif not is_on and collections != self._collections:
            gc.collect()
        self._collections = collections


def _stop_tracers() -> None:
    """End what was started in this process alone: the other arms are not slowed down by it.

    Coverage starts anew in every process where its configuration says so, also while the caller's
    own is stopped. What it has seen before is still saved when this process ends.
    """
    for _ in range(_MOST_COVERAGES):
        current = current_coverage()
        if current is None:
            break
        current.stop()
    for set_function in (sys.settrace, sys.setprofile, threading.settrace, threading.setprofile):
        set_function(None)
