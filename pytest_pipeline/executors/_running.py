"""What open executors have in common: start-up is told once, an empty run is measured before the first."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

from pytest_pipeline.executors._crew import Crew
from pytest_pipeline.model.plan import Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_pipeline.model.plan import Plan
    from pytest_pipeline.model.trace import Trace

_NOTHING = Source(lambda: iter(()))

_EMPTY_RUNS = 3


class Opened(ABC):
    """Workers that are up; before their first run they are run without items, to know what that costs."""

    _crew: Crew

    def __init__(self, name: str, plan: Plan) -> None:
        self._began = time.perf_counter()
        self._name = name
        self._plan = plan
        self._empty_run_s: float | None = None
        self._startup_s = self._unreported_s = 0.0

    @property
    def startup_s(self) -> float:
        """Seconds that `open` took."""
        return self._startup_s

    @property
    def abandoned(self) -> tuple[str, ...]:
        """Names of the threads of this process that hung and are still alive."""
        return self._crew.abandoned

    def run(self, source: Source) -> Trace:
        """Execute the plan once over `source`."""
        if self._empty_run_s is None:
            self._empty_run_s = median(
                self._execute(_NOTHING).makespan_s for _ in range(_EMPTY_RUNS)
            )
        trace = self._execute(source)
        startup_s, self._unreported_s = self._unreported_s, 0.0
        return replace(trace, startup_s=startup_s, empty_run_s=self._empty_run_s)

    @abstractmethod
    def close(self) -> None:
        """End all the workers."""

    @abstractmethod
    def _execute(self, source: Source) -> Trace:
        """Execute the plan; start-up and the cost of an empty run are filled in by `run`."""

    def _note_start_up(self) -> None:
        """Note that the workers are up: what came before was start-up."""
        self._startup_s = self._unreported_s = time.perf_counter() - self._began


class RunningOnThreads(Opened):
    """Workers that are threads of this process."""

    def __init__(self, name: str, plan: Plan, threads: Sequence[str]) -> None:
        super().__init__(name, plan)
        self._crew = Crew(threads)
        self._note_start_up()

    def close(self) -> None:
        """End all the threads."""
        self._crew.close()
