"""What is kept of a session: one record per test, run and executor."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Record:
    """One arm of one `pipeline.run` in one session. Its fields are the columns of the history file."""

    session: str
    """Random name of the pytest session, the same in all its records."""
    created: str
    """When the session ended, ISO 8601, UTC."""
    commit: str
    """Version-control revision; empty when unknown."""
    branch: str
    """Branch; empty when unknown."""
    is_dirty: bool
    """True when tracked files differed from the commit."""
    nodeid: str
    """pytest's node id of the test."""
    run: int
    """Position of the `pipeline.run` in the test, from 0."""
    executor: str
    """Name of the arm."""
    machine: str
    """Fingerprint of processor, cores, quota, system, Python and GIL."""
    machine_text: str
    """The same in words."""
    workload: str
    """Fingerprint of stages, workers, queues, items, check and executor options."""
    speedup: float | None
    """Baseline makespan / makespan, a ratio; None when not measured, as below."""
    speedup_lower: float | None
    """Lower end of its interval; None while open."""
    speedup_upper: float | None
    """Upper end; None while open."""
    makespan_s: float | None
    """Median makespan of one execution, seconds."""
    baseline_s: float | None
    """The baseline's, seconds: both may grow while the speedup stays."""
    p99_s: float | None
    """99th percentile of the latency, seconds; from the gate when one limits it."""
    p99_lower_s: float | None
    """Lower end of its interval, seconds."""
    p99_upper_s: float | None
    """Upper end, seconds."""
    throughput_per_s: float | None
    """Items per second."""
    verdict: str
    """The most urgent verdict of the arm's gates; `ungated` without any."""
    verdicts: str
    """Every gate of the arm, as `speedup met; p99_latency inconclusive (busy)`."""
    clean_rounds: int
    """Measured rounds (or latency blocks) that were clean."""
    dirty_rounds: int
    """Measured rounds (or latency blocks) that were disturbed."""
    control_efficiency: float | None
    """Speedup of the control kernel / its width, 0-1: how much of its cores the machine gave."""

    @property
    def series(self) -> tuple[str, int, str]:
        """What is followed from session to session: test, run and executor."""
        return self.nodeid, self.run, self.executor

    def is_like(self, other: Record) -> bool:
        """Whether the values may be compared: the same workload on the same class of machine."""
        return (self.machine, self.workload) == (other.machine, other.workload)


@dataclass(frozen=True, slots=True)
class Reading:
    """One quantity of one earlier record."""

    created: str
    """When its session ended, ISO 8601, UTC."""
    commit: str
    """Its revision; empty when unknown."""
    is_dirty: bool
    """True when tracked files differed from the commit."""
    value: float
    """In the unit of the change it belongs to."""
    lower: float | None
    """Lower end of its interval; None while open or not known."""
    upper: float | None
    """Upper end."""


@dataclass(frozen=True, slots=True)
class Trend:
    """What became of one quantity since the past records that it may be compared with."""

    quantity: str
    """`speedup`, `makespan`, `p99_latency` or `throughput`."""
    unit: str
    """`x`, `s` or `1/s`."""
    is_minimum: bool
    """True when more is better."""
    now: Reading
    """This session's."""
    then: Reading
    """The last one on the level before, when it changed; else the first one on the same level."""
    sessions: int
    """Sessions compared, this one included."""
    is_changed: bool
    """True when the present level is not the first."""
    is_confirmed: bool
    """False when this session alone shows the change."""
    first: Reading | None
    """Where the present level begins; None without a change."""
    sessions_since: int
    """Sessions on the present level before this one; 0 when it is first seen now."""
    band: float | None
    """How far from the level `then` belongs to counts as the same, a share (0-1); None while fewer than 4
    sessions are known."""
    steps: tuple[int, ...]
    """Where a level begins, counted back from the present session (0)."""
