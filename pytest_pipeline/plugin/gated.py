"""The comparison a test gets: tied to its run, and honest when measuring is switched off.

Imported only while measuring: the records it extends need numpy.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from pytest_pipeline.errors import PipelineRegression
from pytest_pipeline.model.comparison import Arm, Comparison
from pytest_pipeline.plugin.state import Run

_MEASURED = frozenset(
    {
        "speedup",
        "cold_speedup",
        "latency",
        "makespan_s",
        "throughput_per_s",
        "first_result_s",
        "startup_s",
        "empty_run_s",
        "efficiency",
        "overlap",
        "peak_memory_bytes",
        "ledger",
        "item_ledger",
        "bottleneck",
    }
)


class GatedComparison(Comparison):
    """A `Comparison` that tells its run when `assert_met()` has raised in the body.

    From then on the body decides: uncaught the failure is the test's, caught (`pytest.raises`) it
    was expected. The same findings do not fail the test a second time after the body.
    """

    __slots__ = ("_is_off", "_run")

    _run: Run
    _is_off: bool

    def __getitem__(self, executor: str) -> Arm:
        """Return the arm of `executor`; with `--pipeline-off` reading an estimate of it skips."""
        arm = super().__getitem__(executor)
        return SwitchedOffArm.over(arm) if self._is_off else arm

    def assert_met(self) -> None:
        """Raise `PipelineRegression` here when a gate was missed or the run was invalid."""
        __tracebackhide__ = True
        try:
            super().assert_met()
        except PipelineRegression:
            self._run.is_raised = True
            raise


class SwitchedOffArm(Arm):
    """An arm that ran but was not measured: a test that reads a time has nothing to check."""

    __slots__ = ()

    @classmethod
    def over(cls, arm: Arm) -> SwitchedOffArm:
        """Return `arm` as one of this class."""
        return cls(**{each.name: getattr(arm, each.name) for each in dataclasses.fields(arm)})

    def __getattribute__(self, name: str) -> Any:
        __tracebackhide__ = True
        value = super().__getattribute__(name)
        if value is None and name in _MEASURED:
            pytest.skip(f"{name} was not measured: measuring is switched off (--pipeline-off)")
        return value


def gated(comparison: Comparison, run: Run, *, is_off: bool = False) -> GatedComparison:
    """Return a copy of `comparison` that is tied to `run`."""
    values = {each.name: getattr(comparison, each.name) for each in dataclasses.fields(comparison)}
    made = GatedComparison(**values)
    object.__setattr__(made, "_run", run)  # frozen: set once, here
    object.__setattr__(made, "_is_off", is_off)
    return made
