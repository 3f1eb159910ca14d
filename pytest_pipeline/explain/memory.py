"""What a peak of memory may be made of, and what lowers it."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_pipeline.explain.advice import Advice
from pytest_pipeline.model.memory import MemoryReading
from pytest_pipeline.model.plan import Plan
from pytest_pipeline.model.units import show_quantity

FEW_SAMPLES = 5
"""Samples of a reading below which a short peak is easily missed."""


ONE_AT_A_TIME = Advice(
    "the baseline runs one item at a time: concurrency is not needed for it",
    "look at what one item takes in its stages, and at the outputs, which are kept",
)
"""For a serial loop, which has no queues and one item inside."""


def memory_advice(plan: Plan, workers: int, executor: str, baseline_peak: int | None) -> Advice:
    """Return how many items are held at once, and what the baseline takes for one at a time."""
    queued = plan.together * sum(stage.queue_size for stage in plan.stages)
    at_work = plan.together * workers
    cause = f"up to {queued + at_work} items are inside at once: {queued} in queues, {at_work} in workers"
    if baseline_peak is not None:
        each = "one batch" if plan.is_batched else "one item"
        cause += f"; the baseline, {each} at a time, takes {show_quantity(baseline_peak, 'B')}"
    less = f"a smaller Stage({plan.names[0]}, queue_size=...) or fewer workers under {executor}"
    return Advice(cause, less if plan.chunk == 1 else f"a smaller chunk, {less}")


def memory_lines(readings: Sequence[MemoryReading]) -> tuple[str, ...]:
    """Return how the memory was counted, and what the samples may have missed."""
    if not readings:
        return ()
    kind = readings[0].kind
    lines = [] if kind == "PSS" else [_LESS_FAIR[kind]]
    fewest = min(each.samples for each in readings)
    if fewest < FEW_SAMPLES:
        lines.append(
            f"only {fewest} samples in one of the executions: a peak shorter than "
            f"{show_quantity(max(each.period_s for each in readings), 's')} may have been missed"
        )
    return tuple(lines)


_LESS_FAIR = {
    "USS": "counted as unique set size: pages that workers share are not counted",
    "RSS": "counted as resident set size: pages that workers share count in each of them",
}
