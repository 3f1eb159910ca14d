"""Rounds: baseline and candidates once each (in sub-pairs), adjacent in time, with their controls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pytest_pipeline.model.evidence import Evidence

VALID_EFFICIENCY = 0.85
"""Control speedup / width below which a reference was learned on a disturbed machine (A9.1)."""

KERNEL_S = 0.010
"""Length of the control kernel on one undisturbed core: shorter ones miss disturbances (A7)."""

VALID_SLOWDOWN = 1.5
"""Serial control / its undisturbed length above which every core was shared while the reference was
learned. A boost that ends costs 1.35x (measured), a second process on every core 2x."""


class Phase(StrEnum):
    """What a round was for."""

    WARM_UP = "warm-up"
    MEASURE = "measure"
    CONFIRM = "confirm"


@dataclass(frozen=True, slots=True)
class Reference:
    """What the control kernel shows about this machine, for one executor kind and width."""

    executor: str
    """Executor that ran the control kernel."""
    width: int
    """Workers the control kernel kept busy."""
    parallel_s: float
    """Reference time: lower quartile of the parallel control in one window, seconds."""
    serial_s: float
    """The same work done serially, median, seconds."""
    loaded_serial_s: float | None = None
    """The same while idle-priority spinners held the other cores, median, seconds; None when that was not
    needed or proved nothing."""
    doubt: str = ""
    """What asking a window with too little speedup again showed instead, or why it could not be asked; completes
    "the machine is shared or busy"."""

    @property
    def speedup(self) -> float:
        """The control kernel's own parallel speedup: what this machine gives now.

        At most `width`: more is a core that changed its speed between the two, and where the plan has one core
        only it would turn that lack of capacity into a failed test.
        """
        return min(float(self.width), self.serial_s / self.parallel_s)

    @property
    def efficiency(self) -> float:
        """Control speedup / width. Below 0.85 the machine is disturbed, or boosts lone cores."""
        return self.speedup / self.width

    @property
    def slowdown(self) -> float:
        """Serial control / its undisturbed length: shows neighbours on *all* the cores, which leave the speedup as it is."""
        return self.serial_s / (KERNEL_S * self.width)

    @property
    def is_valid(self) -> bool:
        """Whether it may serve as reference: a neighbour that was there first must not.

        A machine that boosts a lone core, or shares cores between hyperthreads, shows its idleness
        by the serial time under load; what it can give stays `speedup`.
        """
        serial_s = max(self.serial_s, self.loaded_serial_s or 0.0)
        is_parallel = serial_s / self.parallel_s >= VALID_EFFICIENCY * self.width
        return is_parallel and self.slowdown <= VALID_SLOWDOWN


@dataclass(frozen=True, slots=True)
class Round:
    """One round. Clean or not is decided without looking at the makespans."""

    index: int
    """Position in the comparison, from 0."""
    phase: Phase
    """Warm-up, measurement or confirmation."""
    began_s: float
    """Seconds since the comparison began."""
    makespans_s: Mapping[str, tuple[float, ...]]
    """Per arm, the makespan of one execution in each sub-pair (mean over its repeats), seconds."""
    first_results_s: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Per arm, the time to the first output in each sub-pair (mean over its repeats), seconds."""
    overlaps: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Per arm, overlap (see `stats.overlap`) of the last execution of each sub-pair, items."""
    num_items: int = 0
    """Items that one execution took in."""
    startups_s: Mapping[str, float] = field(default_factory=dict)
    """Per arm that was opened anew for this round (`cold=True`): start-up, seconds."""
    controls_s: tuple[float, ...] = ()
    """Control kernel times: (before cold starts,) before, (between, when arms are long,) after, seconds."""
    is_clean: bool = True
    """True when the control was as fast as when idle, or nobody else took a core: ratios may be bet on."""
    disturbance: str = ""
    """What was seen when it is not clean; in a clean one, that the control was slow with nobody there."""
    was_alone: bool = False
    """Whether nobody can have disturbed it: the plan computes, and the machine's counters show that nobody else took
    a core. False where they cannot tell."""
    evidence: Evidence | None = None
    """What the operating system saw from the first control to the last; None when it was not asked."""

    @property
    def is_steady(self) -> bool:
        """Whether it is clean for values that no baseline divides, too: the control was as fast as when idle."""
        return self.is_clean and not self.disturbance


@dataclass(frozen=True, slots=True)
class LatencyBlock:
    """At least 100 consecutive items of one arm for a latency gate."""

    executor: str
    """The arm."""
    rate_per_s: float | None
    """Arrival rate; None = closed loop."""
    latencies_s: tuple[float, ...]
    """Per item, in order, seconds."""
    send_lag_p99_s: float
    """p99 of actual minus intended entry, seconds; 0 in closed loop."""
    is_clean: bool
    """True when controls and generator were in order."""
    disturbance: str = ""
    """What was seen when it is not clean."""
    phase: Phase = Phase.MEASURE
    """Measurement or confirmation."""
    evidence: Evidence | None = None
    """What the operating system saw from the first control to the last; None when it was not asked."""
    excused: tuple[int, ...] = ()
    """Positions in `latencies_s` of the items that are late because others held every core; they count for met, not for
    missed."""
    together: int = 1
    """Items that travelled together and have the latency of the last of them: late ones come in such runs."""
