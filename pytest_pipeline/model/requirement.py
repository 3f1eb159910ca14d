"""What a gate marker demands, already validated and in base units."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Quantity(StrEnum):
    """What is measured and limited; the value is the marker's name."""

    SPEEDUP = "speedup"
    P99_LATENCY = "p99_latency"
    THROUGHPUT = "throughput"
    FIRST_RESULT = "first_result"
    EFFICIENCY = "efficiency"
    OVERLAP = "overlap"
    PEAK_MEMORY = "peak_memory"
    ERROR_RATE = "error_rate"

    @property
    def is_minimum(self) -> bool:
        """True when more is better, so that the limit is a minimum."""
        return _KINDS[self].is_minimum

    @property
    def unit(self) -> str:
        """Unit of limit and value: `x` (ratio), `s`, `1/s`, `share` (0-1), `items` or `B`."""
        return _KINDS[self].unit

    @property
    def label(self) -> str:
        """Its name in messages."""
        return _KINDS[self].label

    @property
    def evidence(self) -> str:
        """What a gate on it counts: `clean round`, `clean block` or `execution`."""
        return _KINDS[self].evidence

    @property
    def is_relative(self) -> bool:
        """True when it compares an arm with the baseline, so that it cannot be asked of the baseline."""
        return self in {Quantity.SPEEDUP, Quantity.EFFICIENCY}

    @property
    def is_timed(self) -> bool:
        """True when a clock is read for it, so that a busy or traced machine changes the value."""
        return self not in {Quantity.OVERLAP, Quantity.PEAK_MEMORY, Quantity.ERROR_RATE}


@dataclass(frozen=True, slots=True)
class _Kind:
    label: str
    unit: str
    is_minimum: bool
    evidence: str


_KINDS = {
    Quantity.SPEEDUP: _Kind("speedup", "x", is_minimum=True, evidence="clean round"),
    Quantity.P99_LATENCY: _Kind("p99 latency", "s", is_minimum=False, evidence="clean block"),
    Quantity.THROUGHPUT: _Kind("throughput", "1/s", is_minimum=True, evidence="clean round"),
    Quantity.FIRST_RESULT: _Kind("first result", "s", is_minimum=False, evidence="clean round"),
    Quantity.EFFICIENCY: _Kind("efficiency", "share", is_minimum=True, evidence="clean round"),
    Quantity.OVERLAP: _Kind("overlap", "items", is_minimum=True, evidence="execution"),
    Quantity.PEAK_MEMORY: _Kind("peak memory", "B", is_minimum=False, evidence="execution"),
    Quantity.ERROR_RATE: _Kind("error rate", "share", is_minimum=False, evidence="execution"),
}


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
        """Short name for messages: `speedup`, `cold speedup`, `p99 service latency`, `throughput`."""
        if self.quantity is Quantity.P99_LATENCY and self.rate_per_s is None:
            return "p99 service latency"
        return f"cold {self.quantity.label}" if self.cold else self.quantity.label
