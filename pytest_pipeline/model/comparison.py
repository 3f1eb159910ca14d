"""The result a test gets back: one arm per executor, the findings, and what led to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_pipeline.errors import PipelineRegression, UsageError
from pytest_pipeline.model.device import DeviceRun
from pytest_pipeline.model.environment import Environment
from pytest_pipeline.model.estimate import Estimate, Latency
from pytest_pipeline.model.finding import Finding
from pytest_pipeline.model.item_ledger import ItemLedger
from pytest_pipeline.model.ledger import Ledger
from pytest_pipeline.model.plan import Plan
from pytest_pipeline.model.resources import Resources
from pytest_pipeline.model.rounds import LatencyBlock, Reference, Round
from pytest_pipeline.model.trace import Trace
from pytest_pipeline.model.whatif import Shipping, WhatIf

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class StageSummary:
    """One stage under one executor, from the profiled execution."""

    name: str
    """Stage name."""
    workers: int
    """Worker slots that may serve it."""
    service_mean_s: float
    """Mean service time per item, seconds."""
    service_p50_s: float
    """Median service time, seconds."""
    service_max_s: float
    """Largest service time, seconds."""
    queueing_mean_s: float
    """Mean time an item waited in front of the stage, seconds."""
    utilization: float
    """Service time / (workers x makespan), 0-1."""
    cpu_share: float | None
    """CPU time / service time, 0-1; None when unknown. Near 0 the stage waits, near 1 it computes."""


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """The stage that limits the plan."""

    stage: str
    """Its name."""
    workers: int
    """Its worker slots."""
    utilization: float
    """Its busy share of the makespan, 0-1."""
    ceiling: float | None
    """Finite speedup bound of the plan with these service times, workers, queues and cores; None over a baseline
    that overlaps, since the bound is one over a serial loop."""
    pool_utilization: float | None = None
    """Where a pool of workers runs every stage: its busy share, 0-1. The stage is then the longest one."""


@dataclass(frozen=True, slots=True, eq=False)
class Arm:
    """One executor in the comparison. Values are medians over clean rounds (over all measured ones where none is clean).

    Where no round ran, as with `--pipeline-off`, they are those of the profiled execution, without `speedup` and `efficiency`.
    """

    executor: str
    """The arm's name."""
    workers: int
    """Worker slots it used."""
    is_baseline: bool
    """True for the arm the others are compared with."""
    unavailable: str = ""
    """Why it could not run here; then the rest is empty."""
    speedup: Estimate | None = None
    """Baseline makespan / this makespan, ratio."""
    cold_speedup: Estimate | None = None
    """The same with start-up counted; None unless a gate asked for it."""
    latency: Latency | None = None
    """Per item; open loop when a rate was asked for."""
    makespan_s: float | None = None
    """Median makespan of one execution, seconds."""
    throughput_per_s: float | None = None
    """Items / makespan, items per second."""
    first_result_s: float | None = None
    """Seconds to the first output, from the start of an execution on open workers."""
    startup_s: float | None = None
    """Seconds to start the workers."""
    empty_run_s: float | None = None
    """Seconds that an execution without items takes: the executor's own fixed cost."""
    efficiency: float | None = None
    """speedup / workers, 0-1."""
    overlap: float | None = None
    """Items in service at once at the fullest moment of a visit, mean over visits, median over executions;
    from the order of starts and ends alone."""
    peak_memory_bytes: int | None = None
    """Largest increase of parent and children over one execution, bytes; None unless a gate asked for it."""
    stages: tuple[StageSummary, ...] = ()
    """One per stage."""
    ledger: Ledger | None = None
    """Where the worker time went in the profiled execution."""
    item_ledger: ItemLedger | None = None
    """Where the latency of its items went."""
    bottleneck: Bottleneck | None = None
    """The stage that limits this arm."""
    what_ifs: tuple[WhatIf, ...] = ()
    """Predicted speedups of changed plans, best first, the plan as declared among them; empty for the baseline."""
    trace: Trace | None = None
    """The profiled execution; its outputs are dropped but for the baseline's."""
    resources: Resources | None = None
    """What one more execution, sampled and not timed, used of the machine; None when nobody asked."""
    devices: tuple[DeviceRun, ...] = ()
    """What each device did in the profiled execution; empty for an arm without one."""


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """What `pipeline.run` returns: index it with an arm's name; `UsageError` for one that did not run."""

    plan: Plan
    """What was declared."""
    baseline: str
    """Name of the baseline arm."""
    arms: Mapping[str, Arm]
    """By name, baseline first."""
    outputs: list[Any]
    """The baseline's outputs in input order."""
    findings: tuple[Finding, ...]
    """One per requirement and arm, one alone for a `best` gate; for an invalid run those that say why."""
    best: tuple[str, ...] = ()
    """The fastest arm, or several when a paired comparison cannot tell them apart; empty without a clean round."""
    rounds: tuple[Round, ...] = ()
    """All rounds, disturbed and warm-up ones included."""
    blocks: tuple[LatencyBlock, ...] = ()
    """Latency blocks, when a latency was gated."""
    reference: Reference | None = None
    """The control kernel's reference; None when nothing was timed."""
    environment: Environment | None = None
    """Machine and interpreter."""
    num_items: int = 0
    """Items of one execution."""
    repeats: int = 1
    """Executions per timed sample."""
    check: str = "equal"
    """How outputs were compared; `none` prints as "outputs not compared"."""
    seconds: float = 0.0
    """What the whole comparison took, seconds."""
    warnings: tuple[str, ...] = ()
    """Sentences a reader must know: caches, abandoned workers, instruments."""
    notes: Mapping[str, Any] = field(default_factory=dict)
    """Plain extra facts for the report (budget, alpha, sub-pairs, seed)."""
    gil_shares: Mapping[str, float] | None = field(default_factory=dict)
    """Per stage: share of its service with the GIL held, 0-1, where it was observed; None without a GIL."""
    shipping: Shipping | None = None
    """What sending items to processes takes; None when it was not sampled."""

    def __getitem__(self, executor: str) -> Arm:
        """Return the arm of `executor`; raises `UsageError` naming the arms that ran."""
        try:
            return self.arms[executor]
        except KeyError:
            known = ", ".join(self.arms)
            raise UsageError(f"no arm {executor!r} in this comparison; arms: {known}") from None

    def assert_met(self) -> None:
        """Raise `PipelineRegression` here when a gate was missed or the run was invalid."""
        failed = [finding for finding in self.findings if finding.verdict.fails]
        if failed:
            raise PipelineRegression(failure_text(failed))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types: one element of `tests[].runs` in schema `pytest-pipeline/1`."""
        from pytest_pipeline.model.document import comparison_to_dict

        return comparison_to_dict(self)

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame with a row per arm, indexed by `executor`: workers, ratios, and times in seconds (`*_s`).

        Raises `ModuleNotFoundError` without the `pandas` extra.
        """
        import pandas as pd

        return pd.DataFrame([_arm_row(arm) for arm in self.arms.values()]).set_index("executor")


def failure_text(findings: list[Finding]) -> str:
    """Join findings: one first line with all the headlines, then each finding's details."""
    headline = "; ".join(finding.headline for finding in findings)
    if len(findings) == 1:
        return findings[0].text
    return "\n".join([headline, *(finding.text for finding in findings)])


def _arm_row(arm: Arm) -> dict[str, Any]:
    row: dict[str, Any] = {"executor": arm.executor, "workers": arm.workers}
    if arm.speedup is not None:
        row |= {
            "speedup": arm.speedup.value,
            "speedup_lower": arm.speedup.lower,
            "speedup_upper": arm.speedup.upper,
        }
    if arm.latency is not None:
        row |= {"p50_s": arm.latency.p50_s, "p99_s": arm.latency.p99_s}
    for name in (
        "makespan_s",
        "throughput_per_s",
        "first_result_s",
        "startup_s",
        "efficiency",
        "overlap",
        "peak_memory_bytes",
    ):
        row[name] = getattr(arm, name)
    return row
