"""One arm while it is measured: its executor, open workers, and the checks around every execution."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from pytest_pipeline.executors.protocol import Executor, Running
from pytest_pipeline.measure.digest import digest
from pytest_pipeline.measure.equality import Check, compare_outputs
from pytest_pipeline.measure.instruments import dropped_prints
from pytest_pipeline.model.plan import Plan, Source
from pytest_pipeline.model.trace import Trace


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What runs untimed around every execution."""

    setup: Callable[[], object] | None = None
    """Called before each execution."""
    teardown: Callable[[], object] | None = None
    """Called after each execution, also a failed one."""


class OutputCheck:
    """Compares every execution's outputs with the baseline's first ones.

    In full the first time per arm, then by digest; a digest that differs is confirmed in full,
    because pickles of equal values may differ.
    """

    def __init__(self, check: Check) -> None:
        self.check = check
        self.expected: list[Any] | None = None
        self._seen: dict[str, bytes | None] = {}

    def verify(self, arm: str, outputs: list[Any]) -> None:
        """Raise `Mismatch` when `outputs` are not what the baseline gave."""
        if self.expected is None:
            self.expected = outputs
        if self.check is None:
            return
        mark = digest(outputs)
        if mark is not None and self._seen.get(arm) == mark:
            return
        compare_outputs(self.expected, outputs, self.check)
        self._seen[arm] = mark


class Lane:
    """An arm with open workers."""

    def __init__(
        self, executor: Executor, plan: Plan, around: Surroundings, check: OutputCheck
    ) -> None:
        self.executor = executor
        self.name = executor.name
        self.width = executor.workers(plan)
        self.startup_s = 0.0
        self.profile: Trace | None = None
        self.latency_profile: Trace | None = None
        self.has_mismatch = False
        self._plan = plan
        self._around = around
        self._check = check
        self._running: Running | None = None

    def open(self) -> None:
        """Start the workers, unless they are up."""
        if self._running is None:
            self._running = self.executor.open(self._plan)
            self.startup_s = self._running.startup_s

    def reopen(self) -> None:
        """Start afresh: an unlucky placement must not be common to every round."""
        self.close()
        self.open()

    def close(self) -> None:
        """End the workers."""
        if self._running is not None:
            running, self._running = self._running, None
            running.close()

    @property
    def abandoned(self) -> tuple[str, ...]:
        """Hung worker threads of this arm."""
        return () if self._running is None else self._running.abandoned

    def first_execution(self, source: Source) -> Trace:
        """Execute once with prints kept and outputs compared in full."""
        return self._execute(source)

    def execute_on(self, running: Running, source: Source) -> Trace:
        """Execute once on foreign workers (those that hold the watched plan)."""
        with _surrounded(self._around):
            trace = running.run(source)
        self._verify(trace)
        return trace

    def timed_execution(self, source: Source) -> Trace:
        """Execute once with prints dropped; outputs are compared afterwards."""
        with dropped_prints():
            return self._execute(source)

    def keep_profile(self, trace: Trace) -> None:
        """Remember the execution that explains this arm, without its outputs."""
        self.profile = replace(trace, outputs=[])

    def keep_fastest(self, trace: Trace) -> None:
        """Remember `trace` unless a faster one is remembered: the one that neighbours disturbed least."""
        if self.profile is None or trace.makespan_s <= self.profile.makespan_s:
            self.keep_profile(trace)

    def _execute(self, source: Source) -> Trace:
        self.open()
        assert self._running is not None
        return self.execute_on(self._running, source)

    def _verify(self, trace: Trace) -> None:
        try:
            self._check.verify(self.name, trace.outputs)
        except AssertionError:
            self.has_mismatch = True
            raise


@contextlib.contextmanager
def _surrounded(around: Surroundings) -> Iterator[None]:
    if around.setup is not None:
        around.setup()
    try:
        yield
    finally:
        if around.teardown is not None:
            around.teardown()
