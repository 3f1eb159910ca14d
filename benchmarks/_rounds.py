"""Interleaved rounds of several ways to run the same stages on the same items."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_pipeline.executors.protocol import Executor
from pytest_pipeline.model.plan import Source, Stage, make_plan

Run = Callable[[], float]
"""One execution; returns its makespan in seconds."""


@dataclass
class Rounds:
    """Makespans of every arm, one per round."""

    baseline: str
    makespans_s: dict[str, list[float]] = field(default_factory=dict)

    def ratios(self, arm: str) -> list[float]:
        """Return baseline / arm, round by round."""
        pairs = zip(self.makespans_s[self.baseline], self.makespans_s[arm], strict=True)
        return [serial / other for serial, other in pairs]


def interleave(arms: Mapping[str, Run], *, baseline: str, rounds: int, seed: int = 0) -> Rounds:
    """Run every arm once to warm up, then `rounds` times, in a new random order each round."""
    order = random.Random(seed)
    found = Rounds(baseline, {name: [] for name in arms})
    for run in arms.values():
        run()
    for _ in range(rounds):
        names = list(arms)
        order.shuffle(names)
        for name in names:
            found.makespans_s[name].append(arms[name]())
    return found


class OpenExecutor:
    """An executor of ours with its workers up; a callable that runs the plan once."""

    def __init__(
        self,
        executor: Executor,
        stages: Sequence[Stage | Callable[[Any], Any]],
        items: Sequence[Any],
        *,
        cold: bool = False,
    ) -> None:
        self._executor = executor
        self._plan = make_plan(list(stages))
        self._source = Source(lambda: iter(items))
        self._cold = cold
        self.running = executor.open(self._plan)

    def __call__(self) -> float:
        """Return the makespan; with `cold` new workers are started and their start-up counts."""
        if self._cold:
            self.running.close()
            self.running = self._executor.open(self._plan)
        startup_s = self.running.startup_s if self._cold else 0.0
        return startup_s + self.running.run(self._source).makespan_s

    def close(self) -> None:
        """End the workers."""
        self.running.close()


def timed(run: Callable[[], object]) -> Run:
    """Return a `Run` that times `run` from outside."""

    def once() -> float:
        began = time.perf_counter()
        run()
        return time.perf_counter() - began

    return once
