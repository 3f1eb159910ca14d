"""The control kernel: fixed work of ours that shows what the machine gives, before and after each round.

Same executor kind and width as the arm, on workers that stay up. Clean or disturbed is decided
from it alone, never from the makespans it guards (project's study, A2, A7, A8, A9.1).
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Sequence
from dataclasses import replace
from statistics import median
from typing import Protocol

from pytest_pipeline.executors.protocol import Executor, Running
from pytest_pipeline.measure.system.load import Load
from pytest_pipeline.model.plan import ON_HOST, Plan, Source, Stage, make_plan
from pytest_pipeline.model.rounds import KERNEL_S, Reference
from pytest_pipeline.model.trace import Trace
from pytest_pipeline.stats.quantiles import quantile

LEARNING_RUNS = 20
"""Control runs, serial and parallel interleaved, before the reference is used."""

RECHECK_EVERY = 20
"""Rounds, or blocks, between two re-checks of the reference (A9.1)."""

RECHECK_RUNS = 10
"""Interleaved runs of a re-check, every `RECHECK_EVERY` rounds and before any missed verdict."""

_BLOCK = bytes((i * i * 31 + i // 7) & 0xFF for i in range(40_000))


def kernel(loops: int) -> int:
    """Compress a fixed block `loops` times; zlib works without the GIL."""
    return sum(len(zlib.compress(_BLOCK, 6)) for _ in range(loops))


def calibrate_loops(target_s: float = KERNEL_S) -> int:
    """Return the loops that take about `target_s` seconds on one core: best of several tries."""
    best = min(_time_kernel(4) for _ in range(5)) / 4
    return max(1, round(target_s / best))


class Control(Protocol):
    """The control kernel of one executor kind and width, on workers that stay up."""

    @property
    def width(self) -> int:
        """Workers it keeps busy: min(workers of the arm, usable cores)."""
        ...

    def parallel_s(self) -> float:
        """Run the kernel once on all the workers; return its makespan in seconds."""
        ...

    def serial_s(self) -> float:
        """Run the same work one after the other; return its makespan in seconds."""
        ...

    def close(self) -> None:
        """End its workers."""
        ...


class ExecutorControl:
    """The kernel on the workers of a real executor, and the same work on the serial one."""

    def __init__(self, parallel: Executor, serial: Executor, width: int, loops: int) -> None:
        self._width = width
        # Executors that hand over chunks would give them all to one worker.
        self._source = Source(lambda: iter([loops] * width), in_flight=width)
        self._parallel = _open(parallel, width)
        self._serial = _open(serial, 1)

    @property
    def width(self) -> int:
        """Workers it keeps busy."""
        return self._width

    def parallel_s(self) -> float:
        """Run the kernel once on all the workers, seconds."""
        return self.parallel_trace().makespan_s

    def parallel_trace(self) -> Trace:
        """Run the kernel once on all the workers and return which did what."""
        return self._parallel.run(self._source)

    def serial_s(self) -> float:
        """Run the same work one after the other, seconds."""
        return self._serial.run(self._source).makespan_s

    def close(self) -> None:
        """End the workers."""
        self._parallel.close()
        self._serial.close()


class ControlMonitor:
    """Keeps the reference of one control kernel over the session.

    A window of interleaved serial and parallel runs gives the lower quartile of the parallel times
    and the median of the serial ones: extremes would be luck, since a boosted core runs 1.4x faster
    for a moment (measured: 7.8 ms at best, 10.5 ms on an idle machine). The newest *valid* window
    is the reference, so that it follows the machine's clock; one that shows too little parallel
    speedup is asked again under load (`load.py`), and when it still shows too little it was taken
    beside a neighbour and never replaces it.
    """

    def __init__(self, control: Control, executor: str, load: Load | None = None) -> None:
        self.control = control
        self._executor = executor
        self._load = load
        self._reference: Reference | None = None

    def learn(self) -> None:
        """Take a window; a long one when it is the first."""
        self._window(LEARNING_RUNS if self._reference is None else RECHECK_RUNS)

    def recheck(self) -> None:
        """Take a short window."""
        self._window(RECHECK_RUNS)

    def sample_s(self) -> float:
        """Run the parallel control once and return its seconds."""
        return self.control.parallel_s()

    def wake(self) -> None:
        """Run the parallel control once for nothing, after a pause and before anything is compared with the reference.

        The reference is learned on cores at work. On cores that have just rested the first run alone may take
        twice as long on an idle machine, and called rounds disturbed that nobody had disturbed.
        """
        self.sample_s()

    def awake_s(self) -> float:
        """Return the better of two runs in a row, for moments that may be rests or not: items may wait.

        A neighbour slows both.
        """
        return min(self.sample_s(), self.sample_s())

    @property
    def reference(self) -> Reference:
        """What the control shows: the newest valid window, or the newest when none is."""
        assert self._reference is not None
        return self._reference

    def _window(self, runs: int) -> None:
        pairs = [(self.control.serial_s(), self.control.parallel_s()) for _ in range(runs)]
        newest = make_reference(self._executor, self.control.width, pairs)
        newest = ask_again(self.control, newest, self._load)
        kept = self._reference
        if kept is None or newest.is_valid or not kept.is_valid:
            self._reference = newest


def make_reference(executor: str, width: int, pairs: Sequence[tuple[float, float]]) -> Reference:
    """Return the reference from pairs of serial and parallel control times, seconds."""
    serial, parallel = zip(*pairs, strict=True)
    return Reference(executor, width, quantile(parallel, 0.25), median(serial))


def ask_again(control: Control, first: Reference, load: Load | None) -> Reference:
    """Return `first` as it is when it shows enough (or nothing can be asked), else with a second opinion.

    That is a window whose serial runs have spinners beside them: it makes the reference valid, or the
    reference says what was learned instead.
    """
    if load is None or first.is_valid or first.width == 1:
        return first
    doubt = load.start(control.width - 1)
    if doubt:
        return replace(first, doubt=doubt)
    pairs = []
    try:
        for _ in range(RECHECK_RUNS):
            load.spin()
            serial_s = control.serial_s()
            load.rest()
            pairs.append((serial_s, control.parallel_s()))
    finally:
        doubt = load.stop(control.width * sum(map(sum, pairs)))
    if doubt:
        return replace(first, doubt=doubt)
    again = make_reference(first.executor, first.width, pairs)
    second = replace(first, parallel_s=again.parallel_s, loaded_serial_s=again.serial_s)
    return second if second.is_valid else first


def control_workers(executor: Executor, width: int) -> int:
    """Return the workers that `executor` would give a control kernel of this width."""
    return executor.workers(_plan(width))


def _plan(width: int) -> Plan:
    # On the host under an executor with devices too, on as many threads as others have: the kernel asks for cores.
    return make_plan([Stage(kernel, name="control", workers=width, device=ON_HOST)])


def _open(executor: Executor, width: int) -> Running:
    return executor.open(_plan(width))


def _time_kernel(loops: int) -> float:
    began = time.perf_counter_ns()
    kernel(loops)
    return (time.perf_counter_ns() - began) / 1e9
