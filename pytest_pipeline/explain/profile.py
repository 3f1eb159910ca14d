"""One execution's trace -> what each stage did."""

from __future__ import annotations

import numpy as np

from pytest_pipeline.model.comparison import StageSummary
from pytest_pipeline.model.ledger import Ledger, LedgerRow
from pytest_pipeline.model.trace import Floats, Ints, Trace
from pytest_pipeline.stats.overlap import mean_overlap


def stage_summaries(trace: Trace) -> tuple[StageSummary, ...]:
    """Return one summary per stage, in visiting order."""
    rows = trace.stages
    pool = _pool_workers(trace.ledger)
    summaries = []
    for index, name in enumerate(trace.stage_names):
        mine = trace.visits.stage == index
        spent = (trace.visits.finished_ns[mine] - trace.visits.started_ns[mine]) / 1e9
        service = spent / trace.visit_counts[mine]
        queueing = (trace.visits.started_ns[mine] - trace.visits.enqueued_ns[mine]) / 1e9
        row = rows.get(name)
        workers = (row.workers if row is not None else 0) or pool
        is_exact = row is not None and trace.sample is not None
        total = row.service_s if row is not None and is_exact else float(spent.sum())
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


def overlap(trace: Trace) -> float | None:
    """Return the mean, over all visits, of the visits in service at the fullest moment of each.

    From the order of starts and ends alone: idle gaps and lengths of service do not count. 1 for a
    serial loop; None where the trace is a sample, since what went on beside its visits is not known.
    """
    if trace.sample is not None:
        return None
    return mean_overlap(trace.visits.started_ns, trace.visits.finished_ns)


def service_matrix(trace: Trace) -> Floats:
    """Return service seconds as an array of shape (kept items, stages).

    An item has 0 where it was not, and an equal share of its chunk's service where it was in one.
    """
    visits, counts = trace.visits, trace.visit_counts
    each = (visits.finished_ns - visits.started_ns) / 1e9 / counts
    matrix = np.zeros((len(trace.admitted_ns), len(trace.stage_names)))
    rows = np.repeat(trace.rows_of(visits.item), counts) + _within(counts)
    np.add.at(matrix, (rows, np.repeat(visits.stage, counts)), np.repeat(each, counts))
    return matrix


def time_in_service(trace: Trace) -> Floats:
    """Return the seconds for which each kept item was in service, as an array of shape (kept items, stages).

    An item is in service for as long as its whole batch or chunk; 0 where it was not.
    """
    stamps = [trace.stamps(k) for k in range(len(trace.stage_names))]
    return np.column_stack([(finished - started) / 1e9 for _, started, finished in stamps])


def is_pool(row: LedgerRow) -> bool:
    """Return whether `row` is that of workers which run every stage."""
    return row.name.startswith("(")


def _within(counts: Ints) -> Ints:
    """Return 0, 1, ... for every item of each visit: its place in the chunk."""
    ends = np.cumsum(counts)
    return np.asarray(np.arange(counts.sum()) - np.repeat(ends - counts, counts), dtype=np.int64)


def _pool_workers(ledger: Ledger) -> int:
    """Return the slots of the shared pool, or of the only worker that runs everything."""
    return max(1, sum(row.workers for row in ledger.rows if is_pool(row)) or 1)
