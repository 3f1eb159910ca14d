"""One arm's profiled execution beside the baseline's, and how its workers were laid out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from pytest_pipeline.explain.ceiling import (
    Host,
    Line,
    fused_line,
    pooled_line,
    relayed_line,
    staged_line,
)
from pytest_pipeline.model.plan import SOURCE_STAGE, Plan
from pytest_pipeline.model.trace import Trace
from pytest_pipeline.model.whatif import HalfBatches, Shipping


class Layout(Enum):
    """Who runs which stage."""

    STAGED = "staged"
    """Every stage has threads of its own."""
    RELAYED = "relayed"
    """Every stage has processes of its own, joined through the caller's process."""
    POOLED = "pooled"
    """Any thread of one pool runs any stage."""
    FUSED = "fused"
    """Every process runs all the stages on an item."""


@dataclass(frozen=True, slots=True)
class Profiled:
    """What the explanations of one arm start from."""

    plan: Plan
    """As declared."""
    baseline: Trace
    """The baseline's profiled execution: its service times are undisturbed by other workers."""
    trace: Trace
    """This arm's own."""
    width: int
    """Worker slots of this arm."""
    host: Host
    """Cores, and which stages hold the GIL."""
    shipping: Shipping | None = None
    """What sending items to processes takes; None when it was not sampled."""
    half_batches: HalfBatches | None = None
    """The baseline on half of every batch; None when it was not executed."""
    others: frozenset[str] = frozenset()
    """Names of all the arms of the comparison: what was measured needs no prediction."""
    calls: Mapping[str, str] = field(default_factory=dict)
    """Arm -> the call that makes its executor, e.g. `Processes(name="procs", workers=2)`, where it is known."""
    longest_s: float = math.inf
    """How long one execution of the baseline and of this arm may take together for the budget to hold a verdict, seconds."""
    pace: float = 1.0
    """Makespan of this arm's fastest execution / that of `trace`: the baseline's is its fastest, too."""

    @property
    def layout(self) -> Layout:
        """How this arm's workers were laid out, read from its ledger."""
        rows = self.trace.stages
        own = [rows[name].workers for name in self.trace.stage_names if name in rows]
        hosted = own[1:] if self.trace.stage_names[:1] == (SOURCE_STAGE,) else own
        is_remote = self.trace.ledger.is_remote
        if all(hosted):
            return Layout.RELAYED if is_remote else Layout.STAGED
        return Layout.FUSED if is_remote else Layout.POOLED

    @property
    def call(self) -> str:
        """The call that makes this arm's executor; empty unless it is one of ours."""
        call = self.calls.get(self.trace.executor, "")
        return call if _kind(call) in {"Threads", "Processes"} else ""

    @property
    def has_line(self) -> bool:
        """Whether stages and workers are known to simulate: neither without a ledger, nor of the slots of a device."""
        return bool(self.trace.ledger.rows) and not self.trace.devices

    def has_measured(self, kind: str) -> bool:
        """Return whether an arm has the name that stands for the class `kind`, or is one of its usual layout."""
        alike = (each for each in self.calls.values() if "layout=" not in each)
        return kind.lower() in self.others or kind in map(_kind, alike)

    @property
    def items(self) -> int:
        """Items of the profiled execution, at least 1."""
        return max(1, self.trace.num_items)

    def together(self, plan: Plan) -> int:
        """Return how many items travel together in `plan`, this arm's own or the same with other batches."""
        carried = self.trace.handed_over
        chunk = carried if carried > self.plan.full_batch else 1
        return -(-chunk // plan.full_batch) * plan.full_batch

    def line(
        self, plan: Plan | None = None, baseline: Trace | None = None, *, grouped: int = 1
    ) -> Line:
        """Return the plan as the simulation sees it under this arm.

        `plan` and `baseline`, its execution, stand in for the arm's own where other batches are asked for; `grouped`
        of what travels now go as one.
        """
        plan, baseline = plan or self.plan, baseline or self.baseline
        together = grouped * self.together(plan)
        width = self.width
        match self.layout:
            case Layout.STAGED:
                return staged_line(plan, baseline, self.host, together=together)
            case Layout.RELAYED:
                return relayed_line(plan, baseline, self.host, together=together)
            case Layout.POOLED:
                return pooled_line(plan, baseline, self.host, workers=width, together=together)
            case Layout.FUSED:
                return fused_line(plan, baseline, self.host, workers=width, together=together)


def _kind(call: str) -> str:
    return call.partition("(")[0]
