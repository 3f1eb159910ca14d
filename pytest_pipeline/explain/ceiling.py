"""The finite bound: what this plan can reach at most with the measured service times.

A discrete-event simulation of the plan (stages in line, workers, bounded queues, usable cores, the
GIL) on the baseline's measured service times. For one worker per stage and n equal items it equals
n x sum / (sum + (n - 1) x max). It explains results and predicts changes; it is never a verdict,
because a regression lowers it too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pytest_pipeline.explain.profile import service_matrix, stage_summaries
from pytest_pipeline.model.plan import SOURCE_STAGE, Plan
from pytest_pipeline.model.trace import Floats, Trace
from pytest_pipeline.stats.flow import Flow, simulate

MOST_VISITS = 2000
"""Visits in one simulation (5 to 100 us each): beyond that, evenly spaced items stand for all."""

LEAST_ITEMS = 100
"""Items that are simulated however many stages there are, so that the line runs full for a while."""

HOLDS = 0.5
"""Share of its service with the GIL held from which threads cannot overlap a stage."""

ALL_STAGES = "(all stages)"
"""Name of the station of workers that run every stage on an item."""


@dataclass(frozen=True, slots=True)
class Host:
    """What the arm may use of the machine, and what the stages do there."""

    cores: float
    """CPUs that this process may use (affinity and cgroup quota)."""
    gil_shares: Mapping[str, float] | None = None
    """Share of each stage's service with the GIL held, 0-1, where it was observed; stages that are missing are
    taken to hold it while they compute. None on an interpreter without a GIL."""

    def gil_share(self, stage: str, cpu_share: float) -> float:
        """Return the share of a stage's service in which it keeps other threads from computing."""
        if self.gil_shares is None:
            return 0.0
        return min(cpu_share, self.gil_shares.get(stage, cpu_share))

    def seen(self, stage: str) -> str:
        """Return the verb for what is known about this stage: it was observed, or it is assumed."""
        return "holds" if self.gil_shares and stage in self.gil_shares else "is taken to hold"


@dataclass(frozen=True, slots=True)
class Line:
    """A plan as the simulation sees it."""

    names: tuple[str, ...]
    """Stage names, `source` included when it is timed."""
    service_s: Floats
    """Seconds, shape (items, stages); of whole batches where the plan has any (`items_each`)."""
    workers: tuple[int, ...]
    """Worker slots per stage."""
    queue_sizes: tuple[int, ...]
    """Room in front of each stage."""
    cpu_shares: tuple[float, ...]
    """CPU time / service time per stage, 0-1."""
    gil_shares: tuple[float, ...]
    """Share of the service with the GIL held, per stage, at most the CPU share."""
    cores: float
    """CPUs that the arm may use."""
    serial_s: float
    """Sum of all service times of the simulated items: the baseline without any overhead, seconds."""
    items_each: float = 1.0
    """Items in a row of `service_s`, which travel together; their mean, since the last ones may be fewer."""
    delays_s: tuple[float, ...] = ()
    """What `delayed` added to each stage, seconds per row; empty for none."""
    stands_for: float = 1.0
    """Rows of the execution per row of `service_s`: above 1 where some stand for all."""

    def flow(self) -> Flow:
        """Return what the simulated items do."""
        return simulate(
            self.service_s,
            self.workers,
            self.queue_sizes,
            cores=self.cores,
            cpu_share=self.cpu_shares,
            lock_share=self.gil_shares,
        )

    def makespan_s(self) -> float:
        """Return the simulated makespan of all the items.

        Where some stand for all, the line is filled and drained once; only the rest grows with their number. A few
        items do not show the pace of many workers: what the slowest stage needs at least is known without them.
        """
        simulated_s, rows = self.flow().makespan_s, len(self.service_s)
        if self.stands_for <= 1 or rows < 2:
            return simulated_s
        path_s, slow = float(self.service_s.sum()) / rows, self.slowest()
        mean_s, whole = float(self.service_s[:, slow].mean()), self.stands_for * rows
        return max(
            path_s + (whole - 1) / (rows - 1) * (simulated_s - path_s),
            path_s + (whole / self.workers[slow] - 1) * mean_s,
        )

    def speedup(self) -> float:
        """Return the finite bound on the speedup."""
        makespan_s = self.makespan_s()
        return self.stands_for * self.serial_s / makespan_s if makespan_s > 0 else 1.0

    def slowest(self) -> int:
        """Return the stage with the most service time per worker."""
        return int(np.argmax(self.service_s.sum(axis=0) / np.array(self.workers)))

    def widened(self, *stages: int) -> Line:
        """Return the line with one more worker for each of `stages` (twice for a repeated one)."""
        return self.staffed([count + stages.count(k) for k, count in enumerate(self.workers)])

    def staffed(self, workers: Sequence[int]) -> Line:
        """Return the line with these workers per stage.

        Every stage is delayed by all the other workers, so that a delay grows and shrinks with their number; the
        last of them stands for what delays a lone worker.
        """
        changed = replace(self, workers=tuple(workers))
        if not any(self.delays_s):
            return changed
        before, after = (max(1, sum(each) - 1) for each in (self.workers, workers))
        return changed.delayed((after / before - 1) * np.array(self.delays_s))

    def slowed(self, extra_s: Sequence[float]) -> Line:
        """Return the line with `extra_s` seconds of overhead per item added to each stage."""
        return replace(self, service_s=self.service_s + self.items_each * np.array(extra_s))

    def delayed(self, extra_s: Floats) -> Line:
        """Return the line with `extra_s` seconds per row added to each stage, in which nothing is computed.

        Negative seconds take back what was added before.
        """
        before = self.service_s.mean(axis=0)
        after = before + extra_s
        shares = np.divide(before, after, out=np.ones_like(before), where=after > 0)
        delays_s = extra_s + (self.delays_s or 0.0)
        return replace(
            self,
            delays_s=tuple(float(each) for each in delays_s),
            service_s=np.maximum(0.0, self.service_s + extra_s),
            cpu_shares=_at_most_one(shares * self.cpu_shares),
            gil_shares=_at_most_one(shares * self.gil_shares),
        )


def staged_line(plan: Plan, baseline: Trace, host: Host, *, together: int | None = None) -> Line:
    """Return the line of a plan with its own workers per stage (threads).

    Here as below, `together` items travel as one: by default as many as the plan declares.
    """
    by_name = dict(zip(plan.names, plan.stages, strict=True))
    names = baseline.stage_names
    shares = _cpu_shares(baseline)
    items = service_matrix(baseline)
    rows = _in_groups(items, together or plan.together)
    service = _sampled(rows)
    return Line(
        names=names,
        service_s=service,
        workers=tuple(1 if name == SOURCE_STAGE else by_name[name].workers for name in names),
        queue_sizes=tuple(
            1 if name == SOURCE_STAGE else by_name[name].queue_size for name in names
        ),
        cpu_shares=shares,
        gil_shares=tuple(
            host.gil_share(name, share) for name, share in zip(names, shares, strict=True)
        ),
        cores=host.cores,
        serial_s=float(service.sum()),
        items_each=len(items) / max(1, len(rows)),
        stands_for=len(rows) / max(1, len(service)) * baseline.num_items / max(1, len(items)),
    )


def relayed_line(plan: Plan, baseline: Trace, host: Host, *, together: int | None = None) -> Line:
    """Return the line of a plan with its own processes per stage: no two stages share a GIL."""
    staged = staged_line(plan, baseline, host, together=together)
    return replace(staged, gil_shares=(0.0,) * len(staged.names))


def pooled_line(
    plan: Plan, baseline: Trace, host: Host, *, workers: int, together: int | None = None
) -> Line:
    """Return the line of threads that each run all the stages on an item."""
    staged = staged_line(plan, baseline, host, together=together)
    first = int(SOURCE_STAGE in staged.names[:1])
    hosted = staged.service_s[:, first:]
    return replace(
        staged,
        names=(*staged.names[:first], ALL_STAGES),
        service_s=np.column_stack([staged.service_s[:, :first], hosted.sum(axis=1)]),
        workers=(*staged.workers[:first], workers),
        queue_sizes=(*staged.queue_sizes[:first], sum(staged.queue_sizes[first:])),
        cpu_shares=(*staged.cpu_shares[:first], _mean_share(hosted, staged.cpu_shares[first:])),
        gil_shares=(*staged.gil_shares[:first], _mean_share(hosted, staged.gil_shares[first:])),
    )


def fused_line(
    plan: Plan, baseline: Trace, host: Host, *, workers: int, together: int | None = None
) -> Line:
    """Return the line of processes that each run all the stages on an item, every one with its own GIL."""
    pooled = pooled_line(plan, baseline, host, workers=workers, together=together)
    return replace(pooled, gil_shares=(*pooled.gil_shares[:-1], 0.0))


def _at_most_one(shares: Floats) -> tuple[float, ...]:
    """Return `shares` without what rounding added to a whole one."""
    return tuple(min(1.0, float(each)) for each in shares)


def _in_groups(service_s: Floats, size: int) -> Floats:
    """Return the sums over consecutive rows that travel together; the last ones may be fewer."""
    if size == 1 or not len(service_s):
        return service_s
    return np.asarray(np.add.reduceat(service_s, np.arange(0, len(service_s), size)))


def _sampled(service_s: Floats) -> Floats:
    items, stages = service_s.shape
    most = max(LEAST_ITEMS, MOST_VISITS // max(1, stages))
    if items <= most:
        return service_s
    return np.take(service_s, np.linspace(0, items - 1, most).round().astype(int), axis=0)


def _cpu_shares(baseline: Trace) -> tuple[float, ...]:
    return tuple(
        1.0 if summary.cpu_share is None else summary.cpu_share
        for summary in stage_summaries(baseline)
    )


def _mean_share(service_s: Floats, shares: Sequence[float]) -> float:
    """Return the share of stages that one worker runs one after the other."""
    totals = service_s.sum(axis=0)
    whole = float(totals.sum())
    return min(1.0, float(totals @ np.array(shares)) / whole) if whole else 1.0
