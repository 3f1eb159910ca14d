"""What the slowest items have in common: the stage and the kind of time that made them late."""

from __future__ import annotations

import numpy as np

from pytest_pipeline.explain.profile import service_matrix, time_in_service
from pytest_pipeline.model.trace import Trace


def late_cause(trace: Trace, limit_s: float) -> str:
    """Return one sentence on the items above `limit_s`, or an empty string when there are none."""
    latency = np.where(trace.emitted_ns > 0, (trace.emitted_ns - trace.admitted_ns) / 1e9, 0.0)
    late = latency > limit_s
    if not late.any():
        return ""
    service = time_in_service(trace)
    excess = service[late].mean(axis=0) - np.median(service, axis=0)
    stage = int(excess.argmax())
    waiting = float((latency[late] - service[late].sum(axis=1)).mean())
    name = trace.stage_names[stage]
    if excess[stage] > waiting:
        return f"late items spend {excess[stage] * 1e3:.0f} ms more than the median one in the service of stage {name!r}"
    return (
        f"late items wait {waiting * 1e3:.0f} ms in queues; the busiest stage is {busiest(trace)!r}"
    )


def busiest(trace: Trace) -> str:
    """Return the stage with the most service time per worker."""
    totals = service_matrix(trace).sum(axis=0)
    workers = [
        max(1, trace.stages[name].workers) if name in trace.stages else 1
        for name in trace.stage_names
    ]
    return trace.stage_names[int(np.argmax(totals / np.array(workers)))]
