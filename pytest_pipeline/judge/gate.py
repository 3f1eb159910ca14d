"""What every gate has in common: its state, the error rates, and the split over a family of gates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Protocol

from pytest_pipeline.model.estimate import Estimate
from pytest_pipeline.model.requirement import Requirement
from pytest_pipeline.model.rounds import Round


class Status(Enum):
    """Where a gate stands."""

    OPEN = auto()
    """Needs more rounds."""
    MET = auto()
    """The requirement is met; no more rounds needed."""
    SUSPECT = auto()
    """The missed side crossed; spaced confirmation decides."""
    MISSED = auto()
    """Confirmed."""
    DISAGREED = auto()
    """Confirmation did not agree: inconclusive."""


FIRST_RUN = 0.83
"""Weight of a test's first run in its missed error: one gate alone still decides in 6 clear rounds (E = 1212)."""


@dataclass(frozen=True, slots=True)
class Errors:
    """Tolerated error rates of one gate, 0-1."""

    missed: float = 0.001
    """Chance that a conforming test is failed, however often we look."""
    met: float = 0.01
    """Chance that a non-conforming test is passed."""
    confirm: float = 0.05
    """Chance of the fresh confirmation alone crossing for a conforming test."""
    late_met: float = 0.05
    """The met side of gates that count items (p99, error rate): 1 % would need 486 samples instead of 319."""

    def of_run(self, number: int) -> Errors:
        """Return the rates for run `number` (from 1) of one test: only `missed` is shared out.

        A test may call `pipeline.run` any number of times and fails when any of them misses. The
        weights, `FIRST_RUN` and then its complement / (i (i - 1)), add up to 1 over all runs.
        """
        rest = (1 - FIRST_RUN) / max(1, number * (number - 1))
        return replace(self, missed=self.missed * (FIRST_RUN if number <= 1 else rest))

    def split(self, family: int) -> Errors:
        """Return the rates for one of `family` gates: only `missed` is shared out.

        A test is failed when *any* gate misses (union bound), but passes only when *all* are met,
        which makes a false pass rarer, not more frequent.
        """
        return replace(self, missed=self.missed / max(1, family))


class Gate(Protocol):
    """One requirement on one arm, fed round by round."""

    @property
    def requirement(self) -> Requirement:
        """What is demanded."""
        ...

    @property
    def executor(self) -> str:
        """Of which arm."""
        ...

    @property
    def status(self) -> Status:
        """Where it stands."""
        ...

    @property
    def clean(self) -> int:
        """Clean rounds or blocks seen."""
        ...

    @property
    def dirty(self) -> int:
        """Disturbed rounds or blocks seen."""
        ...

    @property
    def is_unsteady(self) -> bool:
        """Whether most clean executions sit in a slow mode that the control does not share."""
        ...

    @property
    def counted(self) -> str:
        """What the verdict rests on, for the headline: `14 clean rounds`."""
        ...

    def estimate(self, rounds: Sequence[Round]) -> Estimate | None:
        """Return what was observed, for display; None when nothing was. Never decides."""
        ...


def disturbed_visits(visits: int, *, bets: int) -> str:
    """Return why a confirmation of `visits` spaced pairs, of which `bets` were clean, says nothing."""
    return f"{visits - bets} of {visits} confirmation visits were disturbed"


def count(number: int, noun: str) -> str:
    """Return `1 clean round`, `14 clean rounds`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
