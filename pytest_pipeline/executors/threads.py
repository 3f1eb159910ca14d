"""Threads: a pool per stage joined by bounded hops, or one pool shared by all the stages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pytest_pipeline.errors import UsageError
from pytest_pipeline.executors._accounts import SOURCE, Account, share_limit
from pytest_pipeline.executors._assemble import assemble_floor, stage_names
from pytest_pipeline.executors._chunks import BareChunkWorker, ChunkPump, ChunkWorker, chunk_for
from pytest_pipeline.executors._crew import watch_accounts
from pytest_pipeline.executors._hops import Purse
from pytest_pipeline.executors._intake import ListFeed
from pytest_pipeline.executors._run import Run
from pytest_pipeline.executors._running import RunningOnThreads
from pytest_pipeline.executors._shared import SharedFloor
from pytest_pipeline.executors._sink import ChunkSink, Sink
from pytest_pipeline.executors._source import Pump, admission_gate
from pytest_pipeline.executors._staged import StagedFloor
from pytest_pipeline.executors._worker import BareWorker, Worker
from pytest_pipeline.model.units import optional_whole_number

if TYPE_CHECKING:
    from pytest_pipeline.executors._floor import Floor
    from pytest_pipeline.model.plan import Plan, Source
    from pytest_pipeline.model.trace import Trace

_WORKERS = ((BareWorker, Worker), (BareChunkWorker, ChunkWorker))
"""By whether items travel in chunks, and whether their visits are recorded."""

Layout = Literal["staged", "shared"]


class Threads:
    """Run every stage in its own threads (`"staged"`), or all of them in one pool (`"shared"`).

    A shared pool suits stateless stages of uneven length: any thread runs whatever is next. Its
    size is `workers`, by default the sum over the stages; the staged layout takes `Stage.workers`.

    `chunk` hands over so many items at a time, instead of `Stage.chunk`: for stages so quick that
    the hand-over of one costs more than a few per cent of their time. An item's latency is then
    that of its chunk. With arrivals at a rate the chunk is always 1.

    Raises `UsageError` for another layout, for `workers` without the shared pool, for `chunk` with it,
    and for counts below 1.
    """

    def __init__(
        self,
        name: str = "threads",
        layout: Layout = "staged",
        workers: int | None = None,
        chunk: int | None = None,
    ) -> None:
        if layout not in {"staged", "shared"}:
            raise UsageError(f'Threads(layout={layout!r}): expected "staged" or "shared"')
        if workers is not None and layout == "staged":
            raise UsageError(
                'Threads(workers=...) sizes the shared pool: write layout="shared", or Stage(fn, workers=...)'
            )
        if chunk is not None and layout == "shared":
            raise UsageError(
                'Threads(chunk=...) is for layout="staged": a shared pool hands nothing over between stages'
            )
        self._name = name
        self._layout: Layout = layout
        self._workers = optional_whole_number(workers, what="Threads: workers")
        self._chunk = optional_whole_number(chunk, what="Threads: chunk")

    def __repr__(self) -> str:
        return f"Threads(name={self._name!r}, layout={self._layout!r}, workers={self._workers!r}, chunk={self._chunk!r})"

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
        chunk = plan.chunk if self._chunk is None else -(-self._chunk // plan.items_each)
        if self._layout == "shared":
            chunk = 1  # nothing is handed over between the stages
        return RunningThreads(
            self._name, plan, self._layout, workers=self.workers(plan), chunk=chunk
        )


class RunningThreads(RunningOnThreads):
    """Worker threads that are up; a run sends each of them one job."""

    def __init__(self, name: str, plan: Plan, layout: Layout, *, workers: int, chunk: int) -> None:
        super().__init__(name, plan, _thread_names(name, plan, layout, workers))
        self._layout = layout
        self._workers = workers
        self._chunk = chunk
        self.is_recording = True
        """False only in the benchmark that tells what recording costs (staged layout)."""
        self._queue_sizes = sum(stage.queue_size for stage in plan.stages)
        self._takers = workers if layout == "shared" else plan.stages[0].workers

    def _execute(self, source: Source) -> Trace:
        chunk = chunk_for(self._chunk, source, self._workers)
        run = Run(collects_errors=source.collects_errors, items_each=self._plan.items_each)
        has_thread = source.may_wait
        takers = 1 if has_thread else self._takers
        gate = admission_gate(source, self._queue_sizes, self._workers, chunk, takers)
        sink = Sink(run, gate) if chunk == 1 else ChunkSink(run, gate)
        names = stage_names(self._plan, source)
        feed = None if has_thread else ListFeed(source, run, gate, sink, chunk)
        floor = self._floor(run, names, sink, feed, chunk)
        feeder = Account(SOURCE, 0)
        purse = Purse(gate, run, feeder)
        pump = _pump(chunk, source, run, feeder, gate=purse, floor=floor, sink=sink)
        accounts = [*floor.accounts, *([feeder] if has_thread else [])]
        share_limit(accounts)
        self._crew.execute(
            run,
            [*floor.jobs, *([pump] if has_thread else [])],
            self._plan.timeout_s,
            sink.wait,
            lambda: watch_accounts(accounts, names),
        )
        return assemble_floor(
            self._name,
            names,
            run,
            sink,
            floor=floor,
            recorded=accounts,
            source=feeder if source.is_timed else None,
            chunk=chunk,
        )

    def _floor(
        self, run: Run, names: tuple[str, ...], sink: Sink, feed: ListFeed | None, chunk: int
    ) -> Floor:
        if self._layout == "shared":
            return SharedFloor(
                self._plan,
                names,
                run,
                sink,
                feed=feed,
                workers=self._workers,
                pool=f"({self._name})",
            )
        kinds = _WORKERS[chunk > 1]
        return StagedFloor(self._plan, names, run, sink, feed=feed, worker=kinds[self.is_recording])


def _thread_names(name: str, plan: Plan, layout: Layout, workers: int) -> list[str]:
    source = f"pipeline-{name}-source"
    if layout == "shared":
        return [*(f"pipeline-{name}-{slot}" for slot in range(workers)), source]
    stages = zip(plan.stages, plan.names, strict=True)
    return [
        *(f"pipeline-{name}-{label}-{k}" for stage, label in stages for k in range(stage.workers)),
        source,
    ]


def _pump(
    chunk: int,
    source: Source,
    run: Run,
    feeder: Account,
    *,
    gate: Purse,
    floor: Floor,
    sink: Sink,
) -> Pump:
    outlet = floor.entrance(feeder)
    if chunk == 1:
        return Pump(source, run, feeder, gate=gate, outlet=outlet, ends=sink)
    return ChunkPump(source, run, feeder, gate=gate, outlet=outlet, ends=sink, chunk=chunk)
