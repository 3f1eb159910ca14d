"""A search for a good setting: what was predicted, what was measured, and why it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_pipeline.model.change import Change
from pytest_pipeline.model.estimate import Estimate

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Tried:
    """One setting: the one as declared, or one that the model proposed."""

    change: Change
    """What differs from the plan as declared."""
    executor: str
    """Name of the executor that ran it, or would run it."""
    code: str
    """What to write; empty for the setting as declared."""
    total_workers: int
    """Worker slots in use."""
    predicted_speedup: float | None
    """Simulated makespan of the setting as declared / of this one, ratio; None before the model ran."""
    speedup: Estimate | None = None
    """The same ratio measured in interleaved rounds; None when it was only predicted."""
    makespan_s: float | None = None
    """Median makespan of one execution, seconds; None when it was only predicted."""

    @property
    def is_start(self) -> bool:
        """Whether this is the setting as declared, under the executor that the others are compared with."""
        return not self.code


@dataclass(frozen=True, slots=True)
class Tuning:
    """What `tune` returns."""

    stages: tuple[str, ...]
    """Stage names."""
    num_items: int
    """Items of one execution."""
    start: Tried
    """The setting as declared, under the first executor: what speedups refer to."""
    best: Tried
    """The fastest setting that was measured; of several that cannot be told apart, the one with the fewest workers."""
    ties: tuple[Tried, ...]
    """Measured settings that cannot be told from the fastest one, `best` left out."""
    tried: tuple[Tried, ...]
    """The measured settings in the order measured, then the most promising of the others, best prediction first."""
    num_predicted: int
    """Settings that were simulated."""
    reason: str
    """Why the search ended."""
    is_complete: bool
    """False when it was interrupted, or the budget ended it before its time."""
    seconds: float
    """What it took, seconds."""
    unavailable: Mapping[str, str] = field(default_factory=dict)
    """Executor -> why it could not run here."""

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame with a row per setting that was tried: speedups are ratios, `makespan_s` is in seconds.

        Raises `ModuleNotFoundError` without the `pandas` extra.
        """
        import pandas as pd

        return pd.DataFrame([_row(each) for each in self.tried])


def _row(tried: Tried) -> dict[str, Any]:
    speedup = tried.speedup
    return {
        "executor": tried.executor,
        "setting": tried.change.words(),
        "total_workers": tried.total_workers,
        "predicted_speedup": tried.predicted_speedup,
        "speedup": None if speedup is None else speedup.value,
        "speedup_lower": None if speedup is None else speedup.lower,
        "speedup_upper": None if speedup is None else speedup.upper,
        "makespan_s": tried.makespan_s,
    }
