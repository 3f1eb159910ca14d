"""What the operating system saw around one round: evidence for the message, never the decider."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Evidence:
    """Differences of system counters over one round or latency block; None where unreadable.

    The control kernel decides what is clean (project's study, A5): these also count neighbours of
    idle priority, which cost nothing. Linux only; elsewhere every field is None.
    """

    queue_share: float | None = None
    """Run-queue wait / (run-queue wait + CPU time) of our threads and worker processes, 0-1."""
    steal_share: float | None = None
    """Time that the hypervisor gave to others / time of the CPUs we may use, 0-1."""
    throttled_s: float | None = None
    """Seconds that the cgroup quota stopped us."""
    cpu_pressure: float | None = None
    """PSI cpu `some`: share of the time in which some thread on the machine waited for a core, 0-1."""
    memory_pressure: float | None = None
    """PSI memory `some`, 0-1."""
    io_pressure: float | None = None
    """PSI io `some`, 0-1."""
