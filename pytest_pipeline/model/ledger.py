"""The worker ledger: where the worker time of one execution went."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """Where the worker time of one stage (or of a pool shared by stages) went, in seconds."""

    name: str
    """Stage name, or the name of the shared pool in parentheses."""
    workers: int
    """Worker slots of this row; 0 for a stage hosted by a shared pool, whose slots stand in the pool's row."""
    service_s: float = 0.0
    """Inside the stage function."""
    blocked_s: float = 0.0
    """Finished an item and waited for room in the next queue."""
    starved_s: float = 0.0
    """Ready and waited for input."""
    serialisation_s: float = 0.0
    """Turning items and results into bytes and back."""
    transfer_s: float = 0.0
    """Moving those bytes between processes."""
    handover_s: float = 0.0
    """The executor's own work: queue operations and bookkeeping that waited for nobody."""
    unaccounted_s: float = 0.0
    """workers x makespan minus all of the above; the honest rest."""
    cpu_s: float = 0.0
    """CPU time of these workers, for the CPU share; not part of the sum."""

    @property
    def total_s(self) -> float:
        """Sum of all the parts."""
        return (
            self.service_s
            + self.blocked_s
            + self.starved_s
            + self.serialisation_s
            + self.transfer_s
            + self.handover_s
            + self.unaccounted_s
        )


@dataclass(frozen=True, slots=True)
class Ledger:
    """The worker ledger: rows whose parts sum to workers x makespan."""

    rows: tuple[LedgerRow, ...]
    """One per stage, plus one per shared pool."""
    makespan_s: float
    """Seconds from the start of the execution to the last output."""

    @property
    def workers(self) -> int:
        """Worker slots over all rows."""
        return sum(row.workers for row in self.rows)

    @property
    def is_remote(self) -> bool:
        """Whether workers were in other processes: only those turn items into bytes."""
        return any(row.serialisation_s or row.transfer_s for row in self.rows)
