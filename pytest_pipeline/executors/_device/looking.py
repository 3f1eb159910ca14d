"""A plan's device stages on its first items, one at a time in one slot: what a diagnosis looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

from pytest_pipeline.executors._device.diagnosis import MOST_ITEMS
from pytest_pipeline.executors._device.graphs import WARM_UP
from pytest_pipeline.executors._device.lane import Lane

if TYPE_CHECKING:
    from pytest_pipeline.executors._device.alone import AloneBackend
    from pytest_pipeline.executors._device.backend import Backend
    from pytest_pipeline.executors._device.floor import Section
    from pytest_pipeline.executors._device.steps import Step
    from pytest_pipeline.executors._device.sync_calls import SyncDebug
    from pytest_pipeline.model.plan import Plan


def one_slot(
    steps: Sequence[Step], values: Iterable[Any], *, graphs: bool = False
) -> Callable[[AloneBackend], int]:
    """Return what `diagnose` runs: the first `values` through a lane of one slot, fed and drained in turn.

    `values` are what the first device stage gets. Raises what a stage raises.
    """

    def run(alone: AloneBackend) -> int:
        # It passes on what it does not time, which no type checker can follow.
        lane = Lane(cast("Backend", alone), steps, 1, is_ahead=False, graphs=graphs)
        first = [*islice(values, MOST_ITEMS)]
        # Buffers are made, kernels loaded and graphs recorded: no part of any item.
        for value in first[:1] * (WARM_UP + 1 if graphs else 1):
            _pass(lane, value)
        alone.operations.clear()
        for value in first:
            _pass(lane, value)
        lane.synchronize()
        return len(first)

    return run


def _pass(lane: Lane, value: Any) -> None:
    use = lane.feed([(0, value, 0)])
    assert use is not None  # nobody stops this lane
    if use.error is not None:
        raise use.error
    lane.drain(use)
    lane.release()


def first_section(
    plan: Plan, sections: Sequence[Section]
) -> tuple[Callable[[Any], Any], tuple[int, ...]]:
    """Return what the host does to an item before the first device section, and that section's stages.

    Without a device section the stages are empty.
    """
    on_host: list[Callable[[Any], Any]] = []
    for section in sections:
        if section.is_on_device:
            return lambda item: reduce(lambda value, fn: fn(value), on_host, item), section.stages
        on_host.append(plan.stages[section.stages[0]].fn)
    return (lambda item: item), ()


def sync_debug(backend: Backend) -> SyncDebug | None:
    """Return what switches torch's debug mode; None for a stand-in, which never waits."""
    if backend.kind != "cuda":
        return None
    import torch

    return cast("SyncDebug", torch.cuda)


def stage_names_of(steps: Sequence[Step], names: Sequence[str]) -> Callable[[Any], str]:
    """Return which stage a launched function belongs to; the branches of a fan belong to its stage."""
    known: Mapping[int, str] = {
        id(fn): names[step.stage]
        for step in steps
        for fn in (step.fn, *(branch for branch, _ in step.branches))
    }
    return lambda fn: known.get(id(fn), str(getattr(fn, "__name__", fn)))
