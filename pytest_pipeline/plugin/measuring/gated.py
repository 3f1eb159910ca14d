"""The comparison a test gets: tied to its run, and honest about what was not measured.

Imported only while measuring: the records it extends need numpy.
"""

from __future__ import annotations

import copy
import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from pytest_pipeline.errors import PipelineRegression
from pytest_pipeline.model.comparison import Arm, Comparison, failure_text
from pytest_pipeline.model.finding import Verdict
from pytest_pipeline.plugin.state import Run

if TYPE_CHECKING:
    import pandas as pd

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

    __slots__ = ("_run",)

    _run: Run

    def assert_met(self) -> None:
        """Raise `PipelineRegression` here when a gate was missed or the run was invalid."""
        __tracebackhide__ = True
        try:
            super().assert_met()
        except PipelineRegression:
            self._run.is_raised = True
            raise
        self._run.has_asserted_open |= any(not each.verdict.is_decided for each in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types, None for what was not measured."""
        return self._run.comparison.to_dict()

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame with a row per arm; the speedups count as read."""
        __tracebackhide__ = True
        for arm in self.arms.values():
            if not arm.is_baseline:
                _ = arm.speedup
        return self._run.comparison.to_frame()

    def __reduce__(self) -> tuple[Any, ...]:
        """Make copies and pickles plain comparisons: they leave the test, and its run stays."""
        return copy.copy, (self._run.comparison,)


class GatedArm(Arm):
    """An arm of such a comparison: reading a value that was not measured says why, where it can."""

    _run: Run | None = None
    _is_off: bool = False

    def __getattribute__(self, name: str) -> Any:
        __tracebackhide__ = True
        value = super().__getattribute__(name)
        if value is None and name in _MEASURED:
            _say_why(name, self._run, is_off=self._is_off)
        return value

    def __repr__(self) -> str:
        """Return that of a plain arm: who shows it reads nothing of it."""
        return repr(_plain(self))

    def __reduce__(self) -> tuple[Any, ...]:
        """Make copies and pickles plain arms."""
        return copy.copy, (_plain(self),)


def _say_why(name: str, run: Run | None, *, is_off: bool) -> None:
    """Fail or skip where `name` is missing for good; elsewhere its reader may ask whether it is there.

    Whoever catches what is raised here asked for a value, not for the failure: it still fails the test after the body.
    """
    __tracebackhide__ = True
    if run is not None and not run.is_raised:
        run.has_read_nothing = True
        failing = [each for each in run.comparison.findings if each.verdict.fails]
        failing.sort(key=lambda finding: finding.verdict is not Verdict.INVALID)
        # Where measuring is off the next line skips, which no failure may become.
        if failing and (is_off or failing[0].verdict is Verdict.INVALID):
            raise PipelineRegression(failure_text(failing))
    if is_off:
        pytest.skip(f"{name} was not measured: measuring is switched off (--pipeline-off)")


def gated(comparison: Comparison, run: Run, *, is_off: bool = False) -> GatedComparison:
    """Return a copy of `comparison`, and of its arms, that is tied to `run`."""
    arms = {name: _gated_arm(arm, run, is_off=is_off) for name, arm in comparison.arms.items()}
    made = GatedComparison(**{**_values(comparison), "arms": arms})
    object.__setattr__(made, "_run", run)  # frozen: set once, here
    return made


def _gated_arm(arm: Arm, run: Run, *, is_off: bool) -> GatedArm:
    made = GatedArm(**_values(arm))
    object.__setattr__(made, "_run", run)
    object.__setattr__(made, "_is_off", is_off)
    return made


def _plain(arm: Arm) -> Arm:
    return Arm(**_values(arm))


def _values(record: Arm | Comparison) -> dict[str, Any]:
    """Return the fields as they are: a gated arm is not asked."""
    return {
        each.name: object.__getattribute__(record, each.name) for each in dataclasses.fields(record)
    }
