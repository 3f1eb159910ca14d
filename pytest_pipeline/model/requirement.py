"""What a gate marker demands, already validated and in base units."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Quantity(StrEnum):
    """What is measured and limited; the value is the marker's name."""

    SPEEDUP = "speedup"
    P99_LATENCY = "p99_latency"

    @property
    def is_minimum(self) -> bool:
        """True when more is better, so that the limit is a minimum."""
        return self is Quantity.SPEEDUP

    @property
    def unit(self) -> str:
        """Unit of limit and value: `x` for ratios, `s` for times."""
        return "x" if self is Quantity.SPEEDUP else "s"


EVERY_CANDIDATE = "*"
"""`Requirement.executor` of a gate that binds every arm but the baseline."""

BEST = "best"
"""`Requirement.executor` of a gate that binds the fastest arm."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One demand on one quantity."""

    quantity: Quantity
    """What is limited."""
    limit: float
    """The number in the marker, in `quantity.unit`."""
    executor: str = EVERY_CANDIDATE
    """Arm the gate binds, `*` for every candidate, `best` for the fastest."""
    tolerance: float = 0.05
    """Indifference zone as a share of the limit: the effective limit is limit x (1 - tolerance) for a minimum
    and limit x (1 + tolerance) for a maximum."""
    cold: bool = False
    """speedup: count the executor's start-up as part of its makespan."""
    rate_per_s: float | None = None
    """p99_latency: open-loop arrival rate; None = closed loop (service latency)."""
    location: str = ""
    """`file:line` of the test that carries the marker."""

    @property
    def effective_limit(self) -> float:
        """The limit that separates conforming from not conforming."""
        sign = -1 if self.quantity.is_minimum else 1
        return self.limit * (1 + sign * self.tolerance)

    @property
    def label(self) -> str:
        """Short name for messages: `speedup`, `cold speedup`, `p99 latency`."""
        if self.quantity is Quantity.P99_LATENCY:
            return "p99 latency" if self.rate_per_s else "p99 service latency"
        return "cold speedup" if self.cold else "speedup"
