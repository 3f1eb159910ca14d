"""The finite bound: what this plan can reach at most with the measured service times.

A discrete-event simulation of the plan (stages in line, workers, bounded queues, usable cores) on
the baseline's measured service times. For one worker per stage and n equal items it equals
n x sum / (sum + (n - 1) x max). It explains results and predicts changes; it is never a verdict,
because a regression lowers it too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_pipeline.explain.profile import service_matrix, stage_summaries
from pytest_pipeline.model.plan import SOURCE_STAGE, Plan
from pytest_pipeline.model.trace import Floats, Trace
from pytest_pipeline.stats.flow import simulate


@dataclass(frozen=True, slots=True)
class Line:
    """A plan as the simulation sees it."""

    names: tuple[str, ...]
    """Stage names, `source` included when it is timed."""
    service_s: Floats
    """Seconds, shape (items, stages)."""
    workers: tuple[int, ...]
    """Worker slots per stage."""
    queue_sizes: tuple[int, ...]
    """Room in front of each stage."""
    cpu_shares: tuple[float, ...]
    """CPU time / service time per stage, 0-1."""
    cores: float
    """CPUs that the arm may use."""

    @property
    def serial_s(self) -> float:
        """Sum of all service times: the baseline without any overhead."""
        return float(self.service_s.sum())

    def makespan_s(self, workers: Sequence[int] | None = None) -> float:
        """Return the simulated makespan, with `workers` instead of the declared ones if given."""
        return simulate(
            self.service_s,
            list(workers or self.workers),
            list(self.queue_sizes),
            cores=self.cores,
            cpu_share=list(self.cpu_shares),
        ).makespan_s

    def speedup(self, workers: Sequence[int] | None = None) -> float:
        """Return the finite bound on the speedup."""
        makespan = self.makespan_s(workers)
        return self.serial_s / makespan if makespan > 0 else 1.0


def staged_line(plan: Plan, baseline: Trace, *, cores: float) -> Line:
    """Return the line of a plan with its own workers per stage (threads)."""
    by_name = dict(zip(plan.names, plan.stages, strict=True))
    shares = tuple(
        1.0 if summary.cpu_share is None else summary.cpu_share
        for summary in stage_summaries(baseline)
    )
    names = baseline.stage_names
    return Line(
        names=names,
        service_s=service_matrix(baseline),
        workers=tuple(1 if name == SOURCE_STAGE else by_name[name].workers for name in names),
        queue_sizes=tuple(
            1 if name == SOURCE_STAGE else by_name[name].queue_size for name in names
        ),
        cpu_shares=shares,
        cores=cores,
    )


def fused_line(plan: Plan, baseline: Trace, *, workers: int, cores: float) -> Line:
    """Return the line of workers that each run all the stages on an item (processes)."""
    staged = staged_line(plan, baseline, cores=cores)
    total = staged.service_s.sum(axis=0)
    everything = float(total.sum())
    share = (
        sum(float(t) * c for t, c in zip(total, staged.cpu_shares, strict=True)) / everything
        if everything
        else 1.0
    )
    return Line(
        names=("(all stages)",),
        service_s=staged.service_s.sum(axis=1, keepdims=True),
        workers=(workers,),
        queue_sizes=(max(1, len(staged.service_s)),),
        cpu_shares=(share,),
        cores=cores,
    )
