"""An execution in which the items went through several times, lap by lap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pytest_pipeline.model.trace import Trace


def laps_of(trace: Trace, laps: int) -> Iterator[Trace]:
    """Yield `trace` with the outputs and failures of each lap, items numbered as in the first."""
    if laps == 1:
        yield trace
        return
    ended = len(trace.outputs) + len(trace.failed_items)
    outputs = iter(trace.outputs)
    for first, end in _bounds(ended, laps):
        failed = tuple(item - first for item in trace.failed_items if first <= item < end)
        yield replace(
            trace,
            outputs=[next(outputs) for _ in range(end - first - len(failed))],
            failed_items=failed,
            failures=tuple(
                replace(each, item=each.item - first)
                for each in trace.failures
                if first <= each.item < end
            ),
        )


def _bounds(ended: int, laps: int) -> Iterator[tuple[int, int]]:
    """Yield the items of each lap; what does not divide is a lap of another length, as the comparison must see."""
    size = ended // laps
    for lap in range(laps):
        yield lap * size, ended if lap == laps - 1 else (lap + 1) * size
