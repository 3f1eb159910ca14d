"""What a change of the plan would give: predictions, and the measured costs they rest on."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_pipeline.model.change import Change
from pytest_pipeline.model.plan import Plan
from pytest_pipeline.model.trace import Trace


@dataclass(frozen=True, slots=True)
class WhatIf:
    """One change of the plan and the speedup it is predicted to reach."""

    change: str
    """What changes, in words; `keep as it is` for the plan as declared."""
    code: str
    """What to write; empty when nothing changes, or the items alone."""
    predicted_speedup: float
    """Simulated speedup over the baseline, ratio."""
    effort: int
    """Worker slots or declarations that change; 0 for the plan as declared."""
    basis: str = ""
    """The evidence and the cost model behind the number; empty for measured service times alone."""
    setting: Change | None = None
    """The same change as data; None where the user would have to change the items."""
    throughput_gain: float | None = None
    """Throughput over the plan as declared, ratio; None where the baseline stays as it is, so that the speedup tells."""
    times_items: int = 1
    """How many times the items of a run it needs."""

    @property
    def is_gain(self) -> bool:
        """Whether this arm is predicted to get faster, not just faster than a baseline that the same change slows down."""
        return self.throughput_gain is None or self.throughput_gain >= 1

    @property
    def is_current(self) -> bool:
        """Whether this is the plan as declared: its prediction can be compared with the measurement."""
        return self.effort == 0


@dataclass(frozen=True, slots=True)
class Shipping:
    """What sending one item to another process and its output back takes, from a sample."""

    item_bytes: float
    """Mean pickled size of an item, bytes."""
    output_bytes: float
    """Mean pickled size of an output, bytes."""
    sender_s: float
    """Seconds per item that pickling it and unpickling its output take in the parent."""
    worker_s: float
    """Seconds per item that the reverse takes in the worker."""
    refusal: str = ""
    """Why stages, items or outputs cannot be sent at all; then the rest is 0."""


@dataclass(frozen=True, slots=True)
class HalfBatches:
    """One execution of the baseline on half of every batch."""

    plan: Plan
    """The plan with half the sizes."""
    trace: Trace
    """Its execution, without outputs."""
