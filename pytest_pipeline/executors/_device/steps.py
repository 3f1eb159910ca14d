"""The device stages of a plan, resolved: which function runs where."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_pipeline.errors import UsageError
from pytest_pipeline.executors._steps import Step as BatchStep
from pytest_pipeline.model.fan import Fan

if TYPE_CHECKING:
    from pytest_pipeline.model.plan import Stage


@dataclass(frozen=True, slots=True)
class Step:
    """One device stage."""

    stage: int
    """Index into the trace's stage names."""
    fn: Callable[..., Any]
    """The stage's function; a fan's `join`."""
    device: str
    """Where it runs."""
    branches: tuple[tuple[Callable[[Any], Any], str], ...] = ()
    """(function, device) of each branch of a fan."""


def make_steps(stages: Sequence[tuple[int, Stage]], default: str) -> list[Step]:
    """Resolve (index, stage) pairs; a stage without a device runs on `default`.

    Raises `UsageError` for a fan over devices in a plan of batches.
    """
    steps = []
    for index, stage in stages:
        device = stage.device or default
        _refuse_batched_shards(stage)
        if isinstance(stage.fn, Fan):
            branches = tuple((each.fn, each.device or device) for each in stage.fn.branches)
            steps.append(Step(index, stage.fn.join, device, branches))
        else:
            steps.append(Step(index, stage.fn, device))
    return steps


def _refuse_batched_shards(stage: Stage) -> None:
    """Batches travel whole, and a step of one item inside them runs where they are."""
    fn = stage.fn.fn if isinstance(stage.fn, BatchStep) else None
    for branch in fn.branches if isinstance(fn, Fan) else ():
        if branch.device is not None:
            raise UsageError(
                f"stage {stage.label!r}: branch {branch.label!r} has device={branch.device!r} in a plan with batch=: "
                "whole batches travel there, and a fan runs on its stage's device; "
                "leave the branches' devices out, or give the plan no batched stage"
            )


def devices_of(steps: Sequence[Step]) -> tuple[str, ...]:
    """Return every device that the steps touch, the first one's first."""
    names = [
        name for step in steps for name in (step.device, *(where for _, where in step.branches))
    ]
    return tuple(dict.fromkeys(names))
