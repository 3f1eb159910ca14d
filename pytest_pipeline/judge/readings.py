"""What a round says about one quantity of one arm: the values that a ladder gate bets on.

Every reading gives two values per round. *Best* is what the code did in its best moment of the
round: the missed side bets on it, so that a disturbance of one sub-pair never counts against the
code. *Typical* is the median over the sub-pairs: the met side bets on it, so that a slow mode that
comes and goes is not forgiven. Of a ratio there is the *mean* as well, that of the round's total
times: both sides bet on it where nobody can have disturbed the round. A sub-pair's value is a mean
over its repeats.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Protocol

from pytest_pipeline.model.rounds import Round


class Reading(Protocol):
    """Takes the values of one quantity out of a round."""

    def best(self, each: Round) -> float:
        """Return the value of the best moment of the round."""
        ...

    def typical(self, each: Round) -> float:
        """Return the median value of the round."""
        ...

    def mean(self, each: Round) -> float | None:
        """Return the ratio of the mean times; None for a quantity that no baseline divides."""
        ...

    def by_pair(self, each: Round) -> list[float]:
        """Return one value per sub-pair."""
        ...

    def best_ever(self, rounds: Sequence[Round]) -> float | None:
        """Return the best value over all of `rounds`; None where it would mislead."""
        ...

    def speedup_of(self, value: float) -> float | None:
        """Return the speedup that `value` amounts to; None when it is not one."""
        ...


@dataclass(frozen=True, slots=True)
class SpeedupReading:
    """Baseline makespan / makespan of the arm, divided by `workers`: a speedup, or an efficiency."""

    baseline: str
    """The arm compared with."""
    executor: str
    """The arm."""
    cold: bool = False
    """Count start-up as part of the makespan."""
    workers: int = 1
    """1 for the speedup; the worker slots over all stages for the efficiency."""

    def best(self, each: Round) -> float:
        """min(baseline) / min(arm) / workers."""
        base, mine = self._arms(each)
        return min(base) / (min(mine) * self.workers)

    def typical(self, each: Round) -> float:
        """median(baseline) / median(arm) / workers."""
        base, mine = self._arms(each)
        return median(base) / (median(mine) * self.workers)

    def mean(self, each: Round) -> float | None:
        """Mean of the baseline / mean of the arm / workers."""
        base, mine = self._arms(each)
        return sum(base) / (sum(mine) * self.workers)

    def by_pair(self, each: Round) -> list[float]:
        """Return baseline / arm / workers of each sub-pair."""
        pairs = zip(*self._arms(each), strict=True)
        return [base / (mine * self.workers) for base, mine in pairs]

    def best_ever(self, rounds: Sequence[Round]) -> float | None:
        """Ratio of the minima over all rounds; None with start-up, of which a round has one."""
        if self.cold:
            return None
        fastest_base = min(min(each.makespans_s[self.baseline]) for each in rounds)
        fastest = min(min(each.makespans_s[self.executor]) for each in rounds)
        return fastest_base / (fastest * self.workers)

    def speedup_of(self, value: float) -> float | None:
        """Return `value` times the workers."""
        return value * self.workers

    def _arms(self, each: Round) -> tuple[list[float], list[float]]:
        return self._times(each, self.baseline), self._times(each, self.executor)

    def _times(self, each: Round, arm: str) -> list[float]:
        start_up = each.startups_s.get(arm, 0.0) if self.cold else 0.0
        return [seconds + start_up for seconds in each.makespans_s[arm]]


@dataclass(frozen=True, slots=True)
class ThroughputReading:
    """Items / makespan of the arm, per second; one execution's inputs, whatever becomes of them."""

    executor: str
    """The arm."""

    def best(self, each: Round) -> float:
        """Items / shortest makespan."""
        return max(self.by_pair(each))

    def typical(self, each: Round) -> float:
        """Median over the sub-pairs."""
        return median(self.by_pair(each))

    def mean(self, each: Round) -> float | None:  # noqa: ARG002 - every reading is asked alike
        """None: a machine that is slower for a while is not divided out."""
        return None

    def by_pair(self, each: Round) -> list[float]:
        """Return items / makespan of each sub-pair."""
        return [each.num_items / seconds for seconds in each.makespans_s[self.executor]]

    def best_ever(self, rounds: Sequence[Round]) -> float | None:
        """Return the largest of all."""
        return max(self.best(each) for each in rounds)

    def speedup_of(self, value: float) -> float | None:  # noqa: ARG002 - every reading is asked alike
        """None: items per second need no baseline."""
        return None


@dataclass(frozen=True, slots=True)
class FirstResultReading:
    """Seconds from the start of an execution to its first output, workers being up."""

    executor: str
    """The arm."""

    def best(self, each: Round) -> float:
        """Return the shortest of the sub-pairs."""
        return min(self.by_pair(each))

    def typical(self, each: Round) -> float:
        """Median over the sub-pairs."""
        return median(self.by_pair(each))

    def mean(self, each: Round) -> float | None:  # noqa: ARG002 - every reading is asked alike
        """None: a machine that is slower for a while is not divided out."""
        return None

    def by_pair(self, each: Round) -> list[float]:
        """Return the seconds of each sub-pair."""
        return list(each.first_results_s[self.executor])

    def best_ever(self, rounds: Sequence[Round]) -> float | None:
        """Return the shortest of all."""
        return min(self.best(each) for each in rounds)

    def speedup_of(self, value: float) -> float | None:  # noqa: ARG002 - every reading is asked alike
        """None: a time needs no baseline."""
        return None
