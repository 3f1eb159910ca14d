"""What the slowest items have in common: the stage and the kind of time that made them late."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pytest_pipeline.explain.advice import Advice
from pytest_pipeline.explain.profile import service_matrix, time_in_service
from pytest_pipeline.model.change import Change
from pytest_pipeline.model.plan import Plan
from pytest_pipeline.model.trace import Floats, Trace
from pytest_pipeline.model.units import show_seconds


def late_advice(trace: Trace, limit_s: float, plan: Plan) -> Advice:
    """Return what the items above `limit_s` have in common and what helps; empty when there are none."""
    times = _times(trace)
    late = times.latency_s > limit_s
    if not late.any():
        return Advice("", "")
    names, service = trace.stage_names, times.service_s
    typical = np.median(service, axis=0)
    longest = names[int(typical.argmax())]
    if typical.sum() > limit_s:
        return Advice(
            f"the median item spends {show_seconds(float(typical.sum()))} in service, more than the limit: "
            f"{show_seconds(float(typical.max()))} of it in stage {longest!r}",
            f"make stage {longest!r} faster: more workers do not shorten an item's own service",
        )
    excess = service[late].mean(axis=0) - typical
    filling = float(times.filling_s[late].mean())
    queued = float((times.latency_s - service.sum(axis=1) - times.filling_s)[late].mean())
    slow = int(excess.argmax())
    if excess[slow] > max(filling, queued):
        text = f"late items spend {show_seconds(float(excess[slow]))} more than the median one in the service of stage {names[slow]!r}"
        return Advice(text, "")
    if filling > queued:
        text = f"late items wait {show_seconds(filling)} until their batch of {trace.handed_over} is full"
        return Advice(text, "a smaller batch, or a higher rate, fills it sooner")
    stage = busiest(trace)
    text = f"late items wait {show_seconds(queued)} in queues; the busiest stage is {stage!r}"
    return Advice(text, _relief(trace, stage, plan))


@dataclass(frozen=True, slots=True)
class _Times:
    """Where the time of each item went, seconds, by row of the trace."""

    latency_s: Floats
    service_s: Floats
    """Shape (items, stages)."""
    filling_s: Floats
    """Until the last item of its batch was there."""


def _times(trace: Trace) -> _Times:
    came_out = trace.emitted_ns > 0
    latency_s = np.where(came_out, (trace.emitted_ns - trace.admitted_ns) / 1e9, 0.0)
    count = len(trace.admitted_ns)
    items = np.arange(count) if trace.sample is None else trace.sample.items
    _, batch = np.unique(items // trace.handed_over, return_inverse=True)
    full_ns = np.zeros(count, dtype=np.int64)
    np.maximum.at(full_ns, batch, trace.admitted_ns)
    filling_s = np.where(came_out, (full_ns[batch] - trace.admitted_ns) / 1e9, 0.0)
    return _Times(latency_s, time_in_service(trace), filling_s)


def _relief(trace: Trace, stage: str, plan: Plan) -> str:
    """Return what shortens the queue in front of `stage`."""
    row = trace.stages.get(stage)
    if row is None or not row.workers or stage not in plan.names:
        return ""
    more = Change(workers={stage: row.workers + 1}).code(plan=plan)
    return f"give it another worker: {more}; or offer fewer items at a time"


def busiest(trace: Trace) -> str:
    """Return the stage with the most service time per worker."""
    totals = service_matrix(trace).sum(axis=0)
    workers = [
        max(1, trace.stages[name].workers) if name in trace.stages else 1
        for name in trace.stage_names
    ]
    return trace.stage_names[int(np.argmax(totals / np.array(workers)))]
