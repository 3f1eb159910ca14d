"""One execution's trace -> what each stage did."""

from __future__ import annotations

import numpy as np

from pytest_pipeline.model.comparison import StageSummary
from pytest_pipeline.model.trace import Floats, Ledger, Trace
from pytest_pipeline.stats.overlap import mean_overlap


def stage_summaries(trace: Trace) -> tuple[StageSummary, ...]:
    """Return one summary per stage, in visiting order."""
    rows = trace.stages
    pool = _pool_workers(trace.ledger)
    summaries = []
    for index, name in enumerate(trace.stage_names):
        mine = trace.visits.stage == index
        service = (trace.visits.finished_ns[mine] - trace.visits.started_ns[mine]) / 1e9
        queueing = (trace.visits.started_ns[mine] - trace.visits.enqueued_ns[mine]) / 1e9
        row = rows.get(name)
        workers = (row.workers if row is not None else 0) or pool
        total = float(service.sum())
        known_cpu = row is not None and row.cpu_s > 0 and total > 0
        summaries.append(
            StageSummary(
                name=name,
                workers=workers,
                service_mean_s=float(service.mean()) if len(service) else 0.0,
                service_p50_s=float(np.median(service)) if len(service) else 0.0,
                service_max_s=float(service.max()) if len(service) else 0.0,
                queueing_mean_s=float(np.maximum(queueing, 0).mean()) if len(queueing) else 0.0,
                utilization=min(1.0, total / (workers * trace.makespan_s))
                if trace.makespan_s
                else 0.0,
                cpu_share=min(1.0, row.cpu_s / total) if row is not None and known_cpu else None,
            )
        )
    return tuple(summaries)


def overlap(trace: Trace) -> float:
    """Return the mean, over all visits, of the visits in service at the fullest moment of each.

    From the order of starts and ends alone: idle gaps and lengths of service do not count. 1 for a
    serial loop.
    """
    return mean_overlap(trace.visits.started_ns, trace.visits.finished_ns)


def service_matrix(trace: Trace) -> Floats:
    """Return service seconds as an array of shape (items, stages); items without a visit have 0."""
    visits = trace.visits
    items = int(visits.item.max()) + 1 if len(visits) else 0
    matrix = np.zeros((items, len(trace.stage_names)))
    np.add.at(matrix, (visits.item, visits.stage), (visits.finished_ns - visits.started_ns) / 1e9)
    return matrix


def _pool_workers(ledger: Ledger) -> int:
    """Return the slots of the shared pool, or of the only worker that runs everything."""
    return max(1, sum(row.workers for row in ledger.rows if row.name.startswith("(")) or 1)
