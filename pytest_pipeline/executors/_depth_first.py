"""One item through all the stages in the worker that took it: serial, and the shared pool."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from pytest_pipeline.executors._accounts import IDLE
from pytest_pipeline.executors._cpu import CpuSampler
from pytest_pipeline.executors._recorder import FOLD_EVERY
from pytest_pipeline.executors._sink import Dropped
from pytest_pipeline.executors._summary import summary

if TYPE_CHECKING:
    from pytest_pipeline.executors._accounts import Account
    from pytest_pipeline.executors._run import Run
    from pytest_pipeline.model.plan import Plan

FAILED = object()
"""In place of an output: the run is over, because a stage raised or the time was up."""


class DepthFirst:
    """Runs items through the stages of a plan, records the visits and samples the CPU time."""

    def __init__(
        self, plan: Plan, names: Sequence[str], run: Run, account: Account, clock: Callable[[], int]
    ) -> None:
        first = len(names) - len(plan.stages)
        self._stages = [(first + k, stage.fn) for k, stage in enumerate(plan.stages)]
        self._names = names
        self._run = run
        self.account = account
        self.sampler = CpuSampler(len(names), clock)
        self.fold_every = max(1, FOLD_EVERY // len(names))
        """Items between two calls of `Recorder.fold`."""

    def through(self, item: int, value: Any, enqueued: int) -> Any:
        """Return the output, a `Dropped` for a collected error, or `FAILED`."""
        account, record, run = self.account, self.account.recorder.add, self._run
        is_sampled, cpu = self.sampler.takes(item), 0
        for stage, fn in self._stages:
            if run.failed:  # meanwhile: what the stages behind would do is not wanted any more
                return FAILED
            account.stage, account.item = stage, item
            if is_sampled:
                cpu = self.sampler.clock()
            account.since_ns = started = perf_counter_ns()
            try:
                value = fn(value)
            except BaseException as error:
                record((item, stage, enqueued, started, perf_counter_ns()))
                return self._raised(error, stage, item)
            finished = perf_counter_ns()
            account.item = IDLE
            record((item, stage, enqueued, started, finished))
            if is_sampled:
                self.sampler.add(stage, self.sampler.clock() - cpu, finished - started)
            enqueued = finished
        return value

    def _raised(self, error: BaseException, stage: int, item: int) -> object:
        """Collect the error of one item, or end the run with it."""
        self.account.item = IDLE
        if self._run.collects_errors and isinstance(error, Exception):
            return Dropped(self._names[stage], item, summary(error))
        self._run.fail(error, self._names[stage], item)
        return FAILED
