"""Which stages hold the GIL while they compute, seen from a thread that keeps asking for it.

CPU time alone cannot tell: zlib and numpy compute without the GIL, a Python loop with it. The probe
sleeps, wakes, and notes how long it takes until it may run: at once while the GIL is free, at least
the interpreter's switch interval while another thread holds it. Each wake-up is a sample of the
stage that was in service then. It takes extra executions of the baseline, untimed: one, or up to five of a
short plan; on a crowded machine nothing is concluded. Same idea as the `gilknocker` and `gil_load` tools; measured here: 0.08 ms late while zlib or matmul runs, 0.65 ms
(switch interval 0.5 ms) while a Python loop runs.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Self

import numpy as np

from pytest_pipeline.model.trace import Trace

PERIOD_S = 0.0005
"""Sleep between two samples."""

INTERVAL_S = 0.0005
"""Switch interval while probing: the shortest wait for a GIL that is held."""

HELD_S = 0.0002
"""Wait from which the GIL was held by another thread; waking up alone takes 0.07-0.1 ms. Holds may be shorter than the interval."""

LEAST_SAMPLES = 8
"""Samples below which a stage's share stays unknown."""

LONGEST_S = 5.0
"""Baseline makespan above which the extra executions are saved; the shares then stay unknown."""

ENOUGH_S = 0.3
"""Seconds of baseline that are probed; short plans are executed again until then, five times at most."""

CROWDED = 0.5
"""Share of the probe's waiting spent on a run queue from which its samples say nothing."""

_MOST_EXECUTIONS = 5

_SCHEDSTAT = Path("/proc/thread-self/schedstat")


class Probe:
    """A thread that samples the GIL until told to stop. A context manager."""

    def __init__(self) -> None:
        self.samples: list[tuple[int, int]] = []
        """(when it wanted the GIL, when it had it), nanoseconds."""
        self.queued_s = 0.0
        """Seconds this thread waited for a core."""
        self._stopping = False
        self._interval_s = sys.getswitchinterval()
        self._thread = threading.Thread(target=self._sample, name="pipeline-gil-probe", daemon=True)

    def __enter__(self) -> Self:
        sys.setswitchinterval(INTERVAL_S)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping = True
        try:
            self._thread.join()
        finally:  # Ctrl-C arrives in the join
            sys.setswitchinterval(self._interval_s)

    @property
    def is_crowded(self) -> bool:
        """Whether most of the waiting was for a core: then nothing can be said about the GIL."""
        late_s = sum(had - wanted for wanted, had in self.samples) / 1e9
        return self.queued_s > CROWDED * late_s

    def _sample(self) -> None:
        period_ns = round(PERIOD_S * 1e9)
        before_s = _queued_s()
        while not self._stopping:
            asleep = time.perf_counter_ns()
            time.sleep(PERIOD_S)
            self.samples.append((asleep + period_ns, time.perf_counter_ns()))
        self.queued_s = _queued_s() - before_s


def observed_shares(execute: Callable[[], Trace], makespan_s: float) -> dict[str, float]:
    """Return per stage the share of service time with the GIL held, 0-1; stages seen too rarely are left out.

    `execute` runs the baseline once; `makespan_s` is what that takes. Empty when it takes too long.
    """
    if makespan_s > LONGEST_S:
        return {}
    runs = min(_MOST_EXECUTIONS, max(1, round(ENOUGH_S / max(1e-6, makespan_s))))
    seen: dict[str, list[tuple[float, bool]]] = {}
    with Probe() as probe:
        traces = [execute() for _ in range(runs)]
    if probe.is_crowded:
        return {}
    for trace in traces:
        for name, samples in samples_by_stage(trace, probe.samples).items():
            seen.setdefault(name, []).extend(samples)
    return held_shares(seen)


def _queued_s() -> float:
    """Return how long the calling thread has waited for a core so far; 0 where unreadable."""
    try:
        return int(_SCHEDSTAT.read_text(encoding="ascii").split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0


def samples_by_stage(
    trace: Trace, samples: list[tuple[int, int]]
) -> dict[str, list[tuple[float, bool]]]:
    """Return per stage (seconds that the sample stands for, whether the GIL was held)."""
    order = np.argsort(trace.visits.started_ns)
    started, finished = trace.visits.started_ns[order], trace.visits.finished_ns[order]
    stage = trace.visits.stage[order]
    found: dict[str, list[tuple[float, bool]]] = {}
    for (_, before), (wanted, had) in pairwise([(0, trace.began_ns), *samples]):
        place = int(np.searchsorted(started, wanted, side="right")) - 1
        if place < 0 or wanted > finished[place]:
            continue
        late_s = (had - wanted) / 1e9
        # A long wait is one sample, not many: it may be a neighbour that had the core.
        weight = min((had - max(before, trace.began_ns)) / 1e9, PERIOD_S + 2 * INTERVAL_S)
        found.setdefault(trace.stage_names[stage[place]], []).append((weight, late_s >= HELD_S))
    return found


def held_shares(seen: Mapping[str, list[tuple[float, bool]]]) -> dict[str, float]:
    """Return per stage the weighted share of samples that had to wait for the GIL."""
    return {
        name: sum(weight for weight, held in samples if held) / sum(w for w, _ in samples)
        for name, samples in seen.items()
        if len(samples) >= LEAST_SAMPLES and sum(w for w, _ in samples) > 0
    }
