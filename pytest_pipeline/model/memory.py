"""How much memory one execution took."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MemoryReading:
    """The memory of this process and its descendants around one execution."""

    before_bytes: int
    """Right before the execution: workers up, nothing in them yet."""
    peak_bytes: int
    """Largest sample during the execution or right after it, while the outputs were held."""
    samples: int
    """How many samples were taken; a peak between two of them is not seen."""
    period_s: float
    """Mean seconds between two samples as they really came: reading may take longer than the period asked for."""
    kind: str
    """`PSS` (pages shared by n processes count 1/n each), `USS` (shared pages not counted) or
    `RSS` (shared pages counted in every process)."""
    hidden: str = ""
    """Why the execution may have needed more than this shows; empty when it cannot."""

    @property
    def increase_bytes(self) -> int:
        """What the execution added at its peak; at least 0."""
        return max(0, self.peak_bytes - self.before_bytes)
