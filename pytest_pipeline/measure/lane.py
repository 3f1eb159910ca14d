"""One arm while it is measured: its executor, open workers, and the checks around every execution."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from pytest_pipeline.executors.batches import open_plan
from pytest_pipeline.executors.protocol import Diagnosable, Executor, Running
from pytest_pipeline.measure.checks.outputs import OutputCheck
from pytest_pipeline.measure.instruments import dropped_prints
from pytest_pipeline.measure.laps import laps_of
from pytest_pipeline.model.device import DeviceDiagnosis
from pytest_pipeline.model.failures import FailureLog
from pytest_pipeline.model.plan import Plan, Source
from pytest_pipeline.model.trace import Trace

Reading = TypeVar("Reading")
"""What a meter has to say about an execution."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What runs untimed around every execution."""

    setup: Callable[[], object] | None = None
    """Called before each execution, and once more before items are sampled for predictions."""
    teardown: Callable[[], object] | None = None
    """Called after each of these, also a failed one."""


class Lane:
    """An arm with open workers."""

    def __init__(
        self,
        executor: Executor,
        plan: Plan,
        around: Surroundings,
        check: OutputCheck,
        *,
        collects: bool,
    ) -> None:
        self.executor = executor
        self.name = executor.name
        self.width = executor.workers(plan)
        self.full_batch = plan.full_batch
        self.timeout_s = plan.timeout_s
        self.startup_s = 0.0
        self.profile: Trace | None = None
        self.latency_profile: Trace | None = None
        self.has_mismatch = False
        self.failures = FailureLog()
        self.diagnoses: tuple[DeviceDiagnosis, ...] = ()
        self._plan = plan
        self._around = around
        self.check = check
        self._collects = collects
        self._running: Running | None = None

    def open(self) -> None:
        """Start the workers, unless they are up."""
        if self._running is None:
            self._running = open_plan(self.executor, self._plan)
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

    def up_to(self, stages: int, check: OutputCheck) -> Lane:
        """Return a lane of the same arm for the first `stages` stages alone; `check` compares their outputs."""
        plan = replace(
            self._plan, stages=self._plan.stages[:stages], names=self._plan.names[:stages]
        )
        return Lane(self.executor, plan, self._around, check, collects=self._collects)

    @property
    def abandoned(self) -> tuple[str, ...]:
        """Hung worker threads of this arm."""
        return () if self._running is None else self._running.abandoned

    @property
    def is_surrounded(self) -> bool:
        """Whether the user has set-up or teardown around every execution."""
        return self._around != Surroundings()

    def surrounded(self) -> AbstractContextManager[None]:
        """Return the user's set-up and teardown around what is no execution and uses the items."""
        return _surrounded(self._around)

    def first_execution(self, source: Source, then: Callable[[], None]) -> Trace:
        """Execute once with prints kept and outputs compared in full; `then` is called before teardown."""
        return self._execute(source, then=then)

    def execute_on(
        self,
        running: Running,
        source: Source,
        *,
        laps: int = 1,
        then: Callable[[], None] | None = None,
    ) -> Trace:
        """Execute once on foreign workers (those that hold the watched plan); `then` is called before teardown."""
        with _surrounded(self._around):
            trace = running.run(self._collecting(source))
            if then is not None:
                then()
        for lap in laps_of(trace, laps):
            self._check_outputs(lap)
        return trace

    def timed_execution(self, source: Source, *, laps: int = 1) -> Trace:
        """Execute once with prints dropped; outputs are compared afterwards.

        `source` has the items `laps` times: each lap is compared by itself, and counts as an execution.
        """
        with dropped_prints():
            return self._execute(source, laps=laps)

    def sampled_execution(
        self, source: Source, meter: Callable[[Callable[[], Trace]], tuple[Trace, Reading]]
    ) -> Reading:
        """Execute once under `meter`, which sees neither set-up nor the comparison of outputs."""
        self.open()
        assert self._running is not None
        run = partial(self._running.run, self._collecting(source))
        with dropped_prints(), _surrounded(self._around):
            trace, reading = meter(run)
        self._check_outputs(trace)
        return reading

    @property
    def is_diagnosable(self) -> bool:
        """True for open workers that can look into a device."""
        return isinstance(self._running, Diagnosable)

    def diagnose(self, source: Source) -> None:
        """Look into the devices of this arm; harmless for an arm without one."""
        running: object = self._running
        if isinstance(running, Diagnosable):
            with dropped_prints(), _surrounded(self._around):
                self.diagnoses = running.diagnose(source)

    def keep_profile(self, trace: Trace) -> None:
        """Remember the execution that explains this arm, without its outputs."""
        self.profile = replace(trace, outputs=[])

    def keep_fastest(self, trace: Trace) -> None:
        """Remember `trace` unless a faster one is remembered: the one that neighbours disturbed least."""
        if self.profile is None or trace.makespan_s <= self.profile.makespan_s:
            self.keep_profile(trace)

    def _execute(
        self, source: Source, *, laps: int = 1, then: Callable[[], None] | None = None
    ) -> Trace:
        self.open()
        assert self._running is not None
        return self.execute_on(self._running, source, laps=laps, then=then)

    def _collecting(self, source: Source) -> Source:
        """Return `source` so that failed items are counted where a gate limits them, and raise elsewhere."""
        return replace(source, collects_errors=self._collects)

    def _check_outputs(self, trace: Trace) -> None:
        self.failures.add(trace)
        try:
            self.check.verify(self.name, trace)
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
