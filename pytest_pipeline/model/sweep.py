"""An ungated study: the same plan measured over a grid of settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_pipeline.errors import UsageError
from pytest_pipeline.model.estimate import Estimate

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Point:
    """One executor under one setting."""

    executor: str
    """The arm's name."""
    workers: int
    """Workers asked for: per stage for staged executors, of the whole pool for the others."""
    queue_size: int | None
    """Queue size of every stage; None = as declared."""
    total_workers: int
    """Worker slots in use."""
    speedup: Estimate | None
    """Baseline makespan / this makespan; None when nothing was timed."""
    makespan_s: float | None
    """Median makespan of one execution, seconds."""
    baseline_s: float | None
    """Median makespan of the baseline in the same rounds, seconds."""
    throughput_per_s: float | None
    """Items / makespan, items per second."""
    batch_size: int | None = None
    """Items per call of the stages that declare a batch; None = as declared."""
    batch_gain: float = 1.0
    """Baseline makespan with the sweep's first batch size / with this one: what batching alone buys."""

    @property
    def total_speedup(self) -> float | None:
        """Speedup over the baseline with the sweep's first batch size; None when nothing was timed."""
        return None if self.speedup is None else self.speedup.value * self.batch_gain

    @property
    def efficiency(self) -> float | None:
        """Speedup / worker slots."""
        return None if self.speedup is None else self.speedup.value / self.total_workers


@dataclass(frozen=True, slots=True)
class Scaling:
    """How one executor scales with workers, relative to its own single worker.

    Fits of Amdahl's law (1967) and of Gunther's Universal Scalability Law (2007), see `stats.scalability`.
    """

    executor: str
    """The arm's name."""
    serial_share: float
    """Amdahl's serial share, 0-1."""
    serial_share_lower: float | None
    """The same fitted to the upper ends of the speedup intervals; None without intervals."""
    serial_share_upper: float | None
    """The same fitted to the lower ends."""
    amdahl_error: float
    """Largest relative error of that fit over the points."""
    contention: float | None
    """sigma of the Universal Scalability Law; None with fewer than three worker counts."""
    coherency: float | None
    """kappa of the same."""
    usl_error: float | None
    """Largest relative error of that fit over the points."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """All points of one study."""

    stages: tuple[str, ...]
    """Stage names."""
    baseline: str
    """The arm that speedups refer to."""
    num_items: int
    """Items of one execution."""
    points: tuple[Point, ...]
    """In the order measured."""
    scalings: tuple[Scaling, ...]
    """One per executor that was measured with one worker and with more."""
    unavailable: Mapping[str, str]
    """Executor -> why it could not run here."""
    seconds: float
    """What the study took, seconds."""

    @property
    def best(self) -> Point:
        """The fastest point; raises `UsageError` when nothing was timed."""
        timed = [point for point in self.points if point.speedup is not None]
        if not timed:
            raise UsageError("this sweep has no timed point: measuring was off or no arm could run")
        return max(timed, key=lambda point: point.total_speedup or 0.0)

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame with a row per point: the setting, ratios, and times in seconds (`*_s`).

        Raises `ModuleNotFoundError` without the `pandas` extra.
        """
        import pandas as pd

        return pd.DataFrame([_row(point) for point in self.points])


def _row(point: Point) -> dict[str, Any]:
    speedup = point.speedup
    return {
        "executor": point.executor,
        "workers": point.workers,
        "queue_size": point.queue_size,
        "batch_size": point.batch_size,
        "total_workers": point.total_workers,
        "speedup": None if speedup is None else speedup.value,
        "speedup_lower": None if speedup is None else speedup.lower,
        "speedup_upper": None if speedup is None else speedup.upper,
        "batch_gain": point.batch_gain,
        "efficiency": point.efficiency,
        "makespan_s": point.makespan_s,
        "baseline_s": point.baseline_s,
        "throughput_per_s": point.throughput_per_s,
    }
