"""One execution's trace -> where the latency of its items went."""

from __future__ import annotations

import numpy as np

from pytest_pipeline.model.item_ledger import ItemLedger, ItemRow
from pytest_pipeline.model.trace import Ints, Trace


def make_item_ledger(trace: Trace) -> ItemLedger | None:
    """Return the mean over the emitted items; None when there is none, or nothing was recorded."""
    done = trace.emitted_ns > 0
    num_items = int(done.sum())
    if not num_items:
        return None
    stamps = [[column[done] for column in trace.stamps(k)] for k in range(len(trace.stage_names))]
    ahead = [trace.admitted_ns[done], *(enqueued for enqueued, _, _ in stamps[1:])]
    left = [*ahead[1:], trace.emitted_ns[done]]
    num_emitted = trace.num_items - len(trace.failed_items)
    rows = tuple(
        ItemRow(
            name=name,
            queueing_s=_mean_s(started - came),
            service_s=_mean_s(finished - started),
            blocked_s=_mean_s(gone - finished),
            mean_queue_length=_queue_length(came, started, trace) * num_emitted / num_items,
        )
        for name, (_, started, finished), came, gone in zip(
            trace.stage_names, stamps, ahead, left, strict=True
        )
    )
    latency_s = float(trace.latency_s.mean())
    parts_s = sum(row.queueing_s + row.service_s + row.blocked_s for row in rows)
    return ItemLedger(
        rows=rows,
        latency_s=latency_s,
        transfer_s=0.0,
        unaccounted_s=latency_s - parts_s,
        num_items=num_items,
        num_emitted=num_emitted,
        makespan_s=trace.makespan_s,
        chunk=trace.handed_over,
    )


def _mean_s(spans: Ints) -> float:
    # What is negative is no wait: it shows as unaccounted, with its sign turned.
    return float(np.maximum(spans, 0).mean() / 1e9)


def _queue_length(came: Ints, left: Ints, trace: Trace) -> float:
    """Return the time-weighted mean number of items between `came` and `left`, event by event."""
    moments = np.clip(np.concatenate([came, left]), trace.began_ns, trace.ended_ns)
    change = np.repeat([1, -1], len(came))
    order = np.argsort(moments, kind="stable")
    length = np.cumsum(change[order])[:-1]
    makespan = trace.ended_ns - trace.began_ns
    return float((length * np.diff(moments[order])).sum() / makespan) if makespan else 0.0
