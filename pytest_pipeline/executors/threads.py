"""Threads: a pool per stage joined by bounded hops, or one pool shared by all the stages."""

from __future__ import annotations

import time
from queue import SimpleQueue
from typing import TYPE_CHECKING, Literal

from pytest_pipeline.errors import UsageError
from pytest_pipeline.executors._accounts import (
    SOURCE,
    Account,
    service_by_stage,
    stage_row,
)
from pytest_pipeline.executors._assemble import assemble, stage_names
from pytest_pipeline.executors._crew import Crew, watch_accounts
from pytest_pipeline.executors._hops import STOP, Message, Purse
from pytest_pipeline.executors._run import Run
from pytest_pipeline.executors._shared import SharedFloor
from pytest_pipeline.executors._sink import Sink
from pytest_pipeline.executors._source import Pump, admission_gate
from pytest_pipeline.executors._staged import StagedFloor
from pytest_pipeline.model.trace import make_visits

if TYPE_CHECKING:
    from pytest_pipeline.executors._floor import Floor
    from pytest_pipeline.model.plan import Plan, Source
    from pytest_pipeline.model.trace import Trace

Layout = Literal["staged", "shared"]


class Threads:
    """Run every stage in its own threads (`"staged"`), or all of them in one pool (`"shared"`).

    A shared pool suits stateless stages of uneven length: any thread runs whatever is next. Its
    size is `workers`, by default the sum over the stages; the staged layout takes `Stage.workers`.
    """

    def __init__(
        self, name: str = "threads", layout: Layout = "staged", workers: int | None = None
    ) -> None:
        if layout not in {"staged", "shared"}:
            raise UsageError(f'Threads(layout={layout!r}): expected "staged" or "shared"')
        if workers is not None and layout == "staged":
            raise UsageError(
                'Threads(workers=...) sizes the shared pool: write layout="shared", or Stage(fn, workers=...)'
            )
        if workers is not None and workers < 1:
            raise UsageError(f"Threads(workers={workers!r}) must be at least 1")
        self._name = name
        self._layout: Layout = layout
        self._workers = workers

    def __repr__(self) -> str:
        return f"Threads(name={self._name!r}, layout={self._layout!r}, workers={self._workers!r})"

    @property
    def name(self) -> str:
        """The arm's name."""
        return self._name

    def workers(self, plan: Plan) -> int:
        """Return the threads that run stages."""
        return plan.total_workers if self._workers is None else self._workers

    def with_workers(self, workers: int) -> Threads:
        """Return the same arm with a shared pool of `workers`; staged pools take `Stage.workers`."""
        if self._layout == "staged":
            return self
        return Threads(self._name, self._layout, workers)

    def unavailable(self) -> str | None:
        """Return None: threads run everywhere."""
        return None

    def open(self, plan: Plan) -> RunningThreads:
        """Start the threads."""
        return RunningThreads(self._name, plan, self._layout, self.workers(plan))


class RunningThreads:
    """Worker threads that are up; a run sends each of them one job."""

    def __init__(self, name: str, plan: Plan, layout: Layout, workers: int) -> None:
        began = time.perf_counter()
        self._name = name
        self._plan = plan
        self._layout = layout
        self._workers = workers
        self._queue_sizes = sum(stage.queue_size for stage in plan.stages)
        self._crew = Crew([f"pipeline-{name}-source", *self._thread_names()])
        self._startup_s = self._unreported_s = time.perf_counter() - began

    @property
    def startup_s(self) -> float:
        """Seconds that `open` took."""
        return self._startup_s

    @property
    def abandoned(self) -> tuple[str, ...]:
        """Names of the threads that hung and are still alive."""
        return self._crew.abandoned

    def run(self, source: Source) -> Trace:
        """Execute the plan once over `source`."""
        run, results = Run(collects_errors=source.collects_errors), SimpleQueue[Message]()
        run.on_stop(lambda: results.put(STOP))
        sink = Sink(run, admission_gate(source, self._queue_sizes, self._workers))
        names = stage_names(self._plan, source)
        feeder = Account(SOURCE, 0)
        floor = self._floor(run, names, results)
        pump = Pump(
            source,
            run,
            feeder,
            gate=Purse(sink.gate, run, feeder),
            outlet=floor.entrance(feeder),
            ends=results,
        )
        accounts = [feeder, *floor.accounts]
        self._crew.execute(
            run,
            [pump, *floor.jobs],
            self._plan.timeout_s,
            lambda deadline: sink.drain(results, deadline),
            lambda: watch_accounts(accounts, names),
        )
        visits = make_visits([visit for account in accounts for visit in account.visits])
        service = service_by_stage(visits, len(names))
        # The source's thread is a worker of the plan only when the items come from a callable.
        front = [stage_row(names[0], [feeder], float(service[0]), run)] if source.is_timed else []
        startup_s, self._unreported_s = self._unreported_s, 0.0
        return assemble(
            self._name,
            names,
            run,
            sink.outputs,
            first_result_ns=sink.first_result_ns,
            visits=visits,
            rows=(*front, *floor.rows(service, run)),
            startup_s=startup_s,
        )

    def close(self) -> None:
        """End all the threads."""
        self._crew.close()

    def _thread_names(self) -> list[str]:
        if self._layout == "shared":
            return [f"pipeline-{self._name}-{slot}" for slot in range(self._workers)]
        stages = zip(self._plan.stages, self._plan.names, strict=True)
        return [
            f"pipeline-{self._name}-{name}-{slot}"
            for stage, name in stages
            for slot in range(stage.workers)
        ]

    def _floor(self, run: Run, names: tuple[str, ...], results: SimpleQueue[Message]) -> Floor:
        if self._layout == "shared":
            return SharedFloor(
                self._plan, names, run, results, workers=self._workers, pool=f"({self._name})"
            )
        return StagedFloor(self._plan, names, run, results)
