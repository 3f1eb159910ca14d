"""Which items of a latency block are late because others held every core (A9.9)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pytest_pipeline.measure.system.heartbeat import Gap
from pytest_pipeline.model.trace import Trace

GAP_SHARE = 0.1
"""A gap longer than this share of the limit can make an item late (A9.9)."""

MOST_EXCUSED = 0.2
"""Share of excused items above which the block is disturbed (A9.9)."""

FOREIGN_PART = 0.5
"""Part of the gaps' time for which others must have used a core: below it our own workers made the gaps.

Without this a build that suddenly saturates every core would excuse its own late items (as A9.7
forbids for rounds). Half, because the CPU times of others are sampled in ticks of 10 ms.
"""


def are_foreign(gaps: Sequence[Gap], foreign_cpu_s: float | None) -> bool:
    """Whether others used enough CPU time to explain the gaps."""
    return others_explain(sum(ended - began for began, ended in gaps) / 1e9, foreign_cpu_s)


def others_explain(seconds: float, foreign_cpu_s: float | None) -> bool:
    """Whether others used enough CPU time to explain a wait of so many seconds.

    True where the CPU time of others is unreadable: an excuse never fails a service.
    """
    return foreign_cpu_s is None or foreign_cpu_s >= FOREIGN_PART * seconds


def made_late_by(gaps: Sequence[Gap], traces: Sequence[Trace], limit_s: float) -> tuple[int, ...]:
    """Return the positions, counted over all the emitted items of `traces`, of those that are late by the gaps alone.

    Such an item would have been in time without the gaps between its entry, or up to `limit_s` before it, and its
    end: a gap also delays who comes behind the items that it held up. How late an item is otherwise decides nothing;
    one that is late by more than the gaps has no excuse.
    """
    if not gaps:
        return ()
    edges = np.array(sorted(gaps), dtype=np.int64)
    ended = np.cumsum(edges[:, 1] - edges[:, 0])
    lost = np.column_stack([ended - (edges[:, 1] - edges[:, 0]), ended]).ravel()
    found: list[int] = []
    position = 0
    for trace in traces:
        done = trace.emitted_ns > 0
        admitted, emitted = trace.admitted_ns[done], trace.emitted_ns[done]
        since = admitted - int(limit_s * 1e9)
        gone = np.interp(emitted, edges.ravel(), lost) - np.interp(since, edges.ravel(), lost)
        late_by = (emitted - admitted) / 1e9 - limit_s
        found += (position + np.flatnonzero((late_by > 0) & (late_by <= gone / 1e9))).tolist()
        position += int(done.sum())
    return tuple(found)
