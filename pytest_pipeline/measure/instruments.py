"""Instruments that falsify times: tracing, coverage, garbage collection, BLAS threads, printing.

What can be stopped is stopped while measuring, in every arm; what cannot is named, and then no
verdict is given (coverage in the parent but not in spawned workers fakes a speedup of 1.7-3.5x).
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import os
import sys
import threading
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TextIO

from pytest_pipeline.cores import allowed_cores

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
)
"""Read by such libraries when they are loaded."""


@dataclass(frozen=True, slots=True)
class Instruments:
    """What was found on."""

    notes: tuple[str, ...]
    """Sentences: what was found and what was done about it."""
    traced: str
    """The tool that could not be stopped; empty when none."""
    were_on: bool = False
    """Whether coverage, trace or profile functions were stopped: threads that are older keep theirs."""


class PoolCaps:
    """The caps on BLAS and OpenMP pools, one thread each, while inside; worker processes have them too.

    From the first execution on: more threads add up in another order, and outputs would differ in the last bits.
    The pools that are there are capped; a library that a stage imports later, here or in a worker process, reads
    environment variables.
    """

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._before: frozenset[str] = frozenset()
        self.are_held = False
        """Whether any pool had more threads."""

    def __enter__(self) -> Self:
        """Cap the pools that are there, and those to come."""
        self.are_held = _cap_blas(self._stack)
        self._before = frozenset(_pool_files())
        self._stack.callback(self._release_newcomers)
        for name in _THREAD_VARIABLES:
            self._stack.callback(_set_variable, name, os.environ.get(name))
            os.environ[name] = "1"
        return self

    def __exit__(self, *_: object) -> None:
        """Let them have their threads again."""
        self._stack.close()

    def _release_newcomers(self) -> None:
        """Give the pools that came in meanwhile what they would have had: the test session goes on with them."""
        if frozenset(_pool_files()) <= self._before:
            return
        import threadpoolctl

        asked = os.environ.get("OMP_NUM_THREADS", "")
        threads = int(asked) if asked.isdigit() else allowed_cores()
        for pool in threadpoolctl.ThreadpoolController().lib_controllers:
            if pool.filepath not in self._before:
                pool.set_num_threads(threads)


@contextlib.contextmanager
def quiet_instruments(caps: PoolCaps) -> Iterator[Instruments]:
    """Stop what can be stopped, and restore everything at the end; `caps` hold the pools already."""
    notes: list[str] = []
    with contextlib.ExitStack() as stack:
        if _stop_coverage(stack):
            notes.append("coverage was stopped while measuring")
        if _stop_trace_functions(stack):
            notes.append("trace or profile functions were stopped while measuring")
        were_on = bool(notes)
        _freeze_heap(stack)
        if caps.are_held:
            notes.append("BLAS and OpenMP pools of this process were capped at one thread")
        traced = _unstoppable()
        yield Instruments(tuple(notes), traced, were_on)


@contextlib.contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Collect now, then keep the collector out of the timed region."""
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextlib.contextmanager
def dropped_prints() -> Iterator[None]:
    """Drop what stages print: the first execution's prints were kept, dozens of copies help nobody."""
    kept = sys.stdout
    sys.stdout = _nowhere()
    try:
        yield
    finally:
        sys.stdout = kept


@functools.cache
def _nowhere() -> TextIO:
    """Return a file that keeps nothing, with all that stages use of stdout: `buffer`, `fileno`, `encoding`.

    It stays open: a stage may keep it, as a handler of `logging` does.
    """
    file = Path(os.devnull).open("w", encoding="utf-8", errors="replace")  # noqa: SIM115 - kept
    atexit.register(file.close)
    return file


def _stop_coverage(stack: contextlib.ExitStack) -> bool:
    module = sys.modules.get("coverage")
    current = module.Coverage.current() if module is not None else None
    if current is None:
        return False
    current.stop()
    stack.callback(current.start)
    return True


def _stop_trace_functions(stack: contextlib.ExitStack) -> bool:
    found = (sys.gettrace(), sys.getprofile(), threading.gettrace(), threading.getprofile())
    if not any(found):
        return False
    setters: tuple[Callable[[Any], None], ...] = (
        sys.settrace,
        sys.setprofile,
        threading.settrace,
        threading.setprofile,
    )
    for set_function, function in zip(setters, found, strict=True):
        set_function(None)
        stack.callback(set_function, function)
    return True


def _freeze_heap(stack: contextlib.ExitStack) -> None:
    """Keep what lives already out of the collections between rounds.

    A test session holds millions of objects: a full collection per round would cost more than it.
    """
    if gc.get_freeze_count():
        return  # somebody else froze it, and unfreezing is all or nothing
    gc.collect()
    gc.freeze()
    stack.callback(gc.unfreeze)


def _cap_blas(stack: contextlib.ExitStack) -> bool:
    if "numpy" not in sys.modules:
        return False
    import threadpoolctl

    torch = sys.modules.get("torch")
    if isinstance(torch, types.ModuleType) and hasattr(torch, "get_num_threads"):
        torch.get_num_threads()  # sets up the threads of this one: later it would undo the cap
    if all(pool["num_threads"] <= 1 for pool in threadpoolctl.threadpool_info()):
        return False
    stack.enter_context(threadpoolctl.threadpool_limits(limits=1))
    return True


def _pool_files() -> list[str]:
    """Return the files of the libraries with pools in this process; none where nobody has loaded numpy."""
    if "numpy" not in sys.modules:
        return []
    import threadpoolctl

    return [str(pool["filepath"]) for pool in threadpoolctl.threadpool_info()]


def _set_variable(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


def _unstoppable() -> str:
    monitoring: Any = getattr(sys, "monitoring", None)
    if monitoring is None:
        return ""
    for tool in range(6):
        name = monitoring.get_tool(tool)
        if name is not None and monitoring.get_events(tool):
            return f"the monitoring tool {name!r}"
    return ""
