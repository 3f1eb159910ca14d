"""What an arm did in one round."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import fmean

from pytest_pipeline.model.trace import Trace
from pytest_pipeline.stats.overlap import mean_overlap


@dataclass(slots=True)
class Taken:
    """What one arm did in one round, a value per sub-pair: a mean over the arm's executions in it."""

    makespans_s: list[float] = field(default_factory=list)
    """Seconds."""
    first_results_s: list[float] = field(default_factory=list)
    """Seconds."""
    overlaps: list[float] = field(default_factory=list)
    """Of the last execution: one order of events, not a mean of several."""
    num_items: int = 0
    """Items that one execution took in."""

    _seen: list[tuple[float, float]] = field(default_factory=list)
    _overlap: float | None = None

    def add(self, trace: Trace) -> None:
        """Take one execution of the sub-pair that runs now."""
        self._seen.append((trace.makespan_s, trace.first_result_s))
        self.num_items = trace.num_items

    def end_sample(self, last: Trace) -> None:
        """Take the overlap of the sample's last execution."""
        if last.sample is None:  # visits that are missing would look like idle workers
            self._overlap = mean_overlap(last.visits.started_ns, last.visits.finished_ns)

    def end_pair(self) -> None:
        """Close the sub-pair. Of the baseline's executions at both ends a steady drift leaves the middle."""
        makespans, first_results = zip(*self._seen, strict=True)
        self.makespans_s.append(fmean(makespans))
        self.first_results_s.append(fmean(first_results))
        if self._overlap is not None:
            self.overlaps.append(self._overlap)
        self._seen, self._overlap = [], None
