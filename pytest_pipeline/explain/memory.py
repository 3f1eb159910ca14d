"""What a peak of memory may be made of, and what lowers it."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_pipeline.explain.advice import Advice
from pytest_pipeline.model.change import is_called
from pytest_pipeline.model.memory import MemoryReading
from pytest_pipeline.model.plan import CHUNKS_AHEAD, Plan
from pytest_pipeline.model.units import show_quantity

FEW_SAMPLES = 5
"""Samples of a reading below which a short peak is easily missed."""


ONE_AT_A_TIME = Advice(
    "the baseline runs one item at a time: concurrency is not needed for it",
    "look at what one item takes in its stages, and at the outputs, which are kept",
)
"""For a serial loop, which has no queues and one item inside."""


def memory_advice(
    plan: Plan,
    workers: int,
    executor: str,
    baseline_peak: int | None,
    *,
    handed_over: int = 1,
    is_remote: bool = False,
) -> Advice:
    """Return how many items are held at once, and what the baseline takes for one at a time.

    `handed_over` items travelled together: an executor may have a chunk of its own. Worker processes (`is_remote`)
    have so many chunks on their way that queue sizes do not matter then.
    """
    together = max(plan.together, handed_over)
    depths = sum(stage.queue_size for stage in plan.stages)
    is_chunked, at_work = together > plan.full_batch, together * workers
    queued, where = together * depths, "in queues"
    if is_remote and is_chunked:
        queued, where = max(plan.full_batch * depths, CHUNKS_AHEAD * at_work), "on their way"
    cause = (
        f"up to {queued + at_work} items are inside at once: {queued} {where}, {at_work} in workers"
    )
    if baseline_peak is not None:
        each = "one batch" if plan.is_batched else "one item"
        cause += f"; the baseline, {each} at a time, takes {show_quantity(baseline_peak, 'B')}"
    fewer = f"fewer workers under {executor}"
    if is_remote and is_chunked:
        return Advice(cause, f"a smaller chunk, or {fewer}")
    less = f"a smaller {_queue(plan)} or {fewer}"
    return Advice(cause, f"a smaller chunk, {less}" if is_chunked else less)


def _queue(plan: Plan) -> str:
    stage, name = plan.stages[0], plan.names[0]
    if is_called(stage, name):
        return f"Stage({name}, queue_size=...)"
    return f"queue_size for stage {name!r}"


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
