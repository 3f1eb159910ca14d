"""Which items of a latency block were in flight while others held every core (A9.9)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pytest_pipeline.measure.heartbeat import Gap
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
    """Whether others used enough CPU time to explain the gaps.

    True where the CPU time of others is unreadable: an excuse never fails a service.
    """
    if foreign_cpu_s is None:
        return True
    gaps_s = sum(ended - began for began, ended in gaps) / 1e9
    return foreign_cpu_s >= FOREIGN_PART * gaps_s


def overlapping(traces: Sequence[Trace], gaps: Sequence[Gap]) -> tuple[int, ...]:
    """Return the positions, counted over all the emitted items of `traces`, of those in flight during a gap."""
    if not gaps:
        return ()
    began, ended = np.array(sorted(gaps), dtype=np.int64).T
    found: list[int] = []
    position = 0
    for trace in traces:
        done = trace.emitted_ns > 0
        first = np.searchsorted(ended, trace.admitted_ns[done], side="right")
        last = np.searchsorted(began, trace.emitted_ns[done], side="left")
        found += (position + np.flatnonzero(last > first)).tolist()
        position += int(done.sum())
    return tuple(found)
