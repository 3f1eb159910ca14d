"""Processes: data-parallel workers, each of which runs all the stages on an item."""

from __future__ import annotations

import atexit
import os
import pickle
import socket
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pytest_pipeline.cores import usable_cores
from pytest_pipeline.errors import UsageError
from pytest_pipeline.executors._accounts import (
    SOURCE,
    Account,
    pooled_rows,
    service_by_stage,
    stage_row,
)
from pytest_pipeline.executors._assemble import assemble, stage_names
from pytest_pipeline.executors._board import IDLE
from pytest_pipeline.executors._channel import Frame, Kind
from pytest_pipeline.executors._context import blas_cap, capture_modes
from pytest_pipeline.executors._crew import Crew, Watch, watch_accounts
from pytest_pipeline.executors._dispatch import Dispatcher
from pytest_pipeline.executors._hops import STOP, FreeOutlet, Purse
from pytest_pipeline.executors._pool import Pool
from pytest_pipeline.executors._records import Surroundings
from pytest_pipeline.executors._reports import accounts_of, cpu_by_stage, read_reports, visits_of
from pytest_pipeline.executors._run import Run
from pytest_pipeline.executors._shipping import Codec, pickle_stages
from pytest_pipeline.executors._sink import Sink
from pytest_pipeline.executors._source import InlineFeed, Pump, admission_gate
from pytest_pipeline.executors._waiting import Backlog

if TYPE_CHECKING:
    from pytest_pipeline.executors._crew import Job
    from pytest_pipeline.executors._dispatch import Feed
    from pytest_pipeline.executors._hops import Credits
    from pytest_pipeline.model.plan import Plan, Source
    from pytest_pipeline.model.trace import LedgerRow, Trace

StartMethod = Literal["forkserver", "spawn", "fork"]

_START_S = 60.0
"""How long a worker process may take to start and to load the stages."""


class Processes:
    """Run the whole plan in each of `workers` processes (by default one per usable core).

    Processes start by forkserver, by spawn on Windows; `start_method="fork"` is faster to start
    and unsafe in a process that has threads.
    """

    def __init__(
        self,
        name: str = "processes",
        workers: int | None = None,
        start_method: StartMethod | None = None,
        layout: Literal["fused", "staged"] = "fused",
    ) -> None:
        if layout == "staged":
            raise UsageError('Processes(layout="staged") is not in this release: leave it out')
        if layout != "fused":
            raise UsageError(f'Processes(layout={layout!r}): expected "fused"')
        if workers is not None and workers < 1:
            raise UsageError(f"Processes(workers={workers!r}) must be at least 1")
        if start_method not in {None, "forkserver", "spawn", "fork"}:
            raise UsageError(
                f'Processes(start_method={start_method!r}): expected "forkserver", "spawn" or "fork"'
            )
        self._name = name
        self._workers = workers
        self._start_method = start_method

    def __repr__(self) -> str:
        return f"Processes(name={self._name!r}, workers={self._workers!r}, start_method={self._start_method!r})"

    @property
    def name(self) -> str:
        """The arm's name."""
        return self._name

    def workers(self, plan: Plan) -> int:  # noqa: ARG002 - the contract asks for it
        """Return the worker processes."""
        return usable_cores() if self._workers is None else self._workers

    def with_workers(self, workers: int) -> Processes:
        """Return the same arm with a pool of `workers`."""
        return Processes(self._name, workers, self._start_method)

    def unavailable(self) -> str | None:
        """Return None: every supported platform starts processes."""
        return None

    def open(self, plan: Plan) -> RunningProcesses:
        """Pickle the stages, then start the workers; `ShippingError` comes before any has started."""
        return RunningProcesses(self._name, plan, self.workers(plan), self._start_method)


class RunningProcesses:
    """Worker processes that are up and hold the stages."""

    def __init__(self, name: str, plan: Plan, workers: int, start_method: str | None) -> None:
        began = time.perf_counter()
        self._name = name
        self._plan = plan
        self._workers = workers
        self._runs = 0
        stages = pickle_stages([stage.fn for stage in plan.stages], plan.names)
        self._codec = Codec(is_worker=False)
        self._wake, self._wake_end = socket.socketpair()
        self._wake_end.setblocking(False)  # noqa: FBT003 - a positional-only argument
        self._pool = Pool(workers, start_method, stages, plan.names, _START_S)
        self._crew = Crew([f"pipeline-{name}-source"])
        self._finish = weakref.finalize(
            self, _finish, self._pool, self._crew, self._wake, self._wake_end
        )
        # Registered after the one of multiprocessing, hence run before it: that one waits for
        # every child to end by itself, and ours end when told to.
        atexit.register(self._finish)
        try:
            self._pool.fill()
        except BaseException:
            self.close()
            raise
        self._startup_s = self._unreported_s = time.perf_counter() - began

    @property
    def startup_s(self) -> float:
        """Seconds that `open` took."""
        return self._startup_s

    @property
    def abandoned(self) -> tuple[str, ...]:
        """Name of the source's thread, should it hang; worker processes are killed instead."""
        return self._crew.abandoned

    def run(self, source: Source) -> Trace:
        """Execute the plan once over `source`."""
        if not self._finish.alive:
            raise UsageError("this executor is closed: open it again")
        self._runs += 1
        run = Run(collects_errors=source.collects_errors)
        sink = Sink(
            run,
            admission_gate(source, sum(s.queue_size for s in self._plan.stages), self._workers),
        )
        feeder = Account(SOURCE, 0)
        feed, pumps = self._feed(source, run, sink.gate, feeder)
        try:
            self._begin()
            dispatcher = Dispatcher(
                self._pool,
                run,
                sink,
                codec=self._codec,
                feed=feed,
                wake=self._wake,
                names=self._plan.names,
            )
            self._execute(run, pumps, dispatcher, feeder)
            return self._trace(source, run, sink, dispatcher, feeder)
        except BaseException:
            # Only workers that are known to be idle may serve the next run.
            if not run.began_ns or sink.is_complete:
                self._pool.discard_all()
            raise

    def close(self) -> None:
        """End all the workers."""
        self._finish()
        atexit.unregister(self._finish)

    def _feed(
        self, source: Source, run: Run, gate: Credits, feeder: Account
    ) -> tuple[Feed, list[Job]]:
        """Return where the items come from, and the source's thread if it needs one."""
        if not source.is_timed and source.offsets_ns is None:
            return InlineFeed(source, run, gate), []
        backlog = Backlog(self._wake_end)
        run.on_stop(lambda: backlog.put(STOP))
        purse = Purse(gate, run, feeder)
        return backlog, [
            Pump(source, run, feeder, gate=purse, outlet=FreeOutlet(backlog), ends=backlog)
        ]

    def _begin(self) -> None:
        self._pool.fill()
        surroundings = Surroundings(str(Path.cwd()), dict(os.environ), capture_modes(), blas_cap())
        self._pool.handshake(Frame(Kind.BEGIN, self._runs, body=pickle.dumps(surroundings)))

    def _execute(self, run: Run, pumps: list[Job], dispatcher: Dispatcher, feeder: Account) -> None:
        def serve(deadline: float) -> None:
            try:
                dispatcher.serve(deadline)
            except BaseException as error:
                if error is run.error:
                    dispatcher.cancel(self._runs)
                raise

        try:
            self._crew.execute(run, pumps, self._plan.timeout_s, serve, lambda: self._watch(feeder))
        except BaseException:
            dispatcher.kill_busy()
            raise

    def _watch(self, feeder: Account) -> Watch:
        """Return what the board says, and the stacks of the workers that have an item in hand."""
        busy = [worker for worker in self._pool.workers if worker.window]
        visits = watch_accounts([feeder], ()).visits
        for worker in busy:
            stage, item, since = self._pool.board.read(worker.slot)
            if stage != IDLE:
                visits.append((since, self._plan.names[stage], item))
        return Watch(visits, self._pool.stacks(busy))

    def _trace(
        self, source: Source, run: Run, sink: Sink, dispatcher: Dispatcher, feeder: Account
    ) -> Trace:
        reports = read_reports(
            self._pool.handshake(Frame(Kind.END, stamps=(run.began_ns, run.ended_ns, 0)))
        )
        names = stage_names(self._plan, source)
        first = len(names) - len(self._plan.names)
        visits = visits_of(reports, dispatcher.enqueued_ns, first, feeder.visits)
        service = service_by_stage(visits, len(names))
        rows: tuple[LedgerRow, ...] = ()
        if first:
            rows = (stage_row(names[0], [feeder], float(service[0]), run),)
        cpu = cpu_by_stage(reports, first, len(self._plan.names))
        rows += pooled_rows(
            names,
            f"({self._name})",
            accounts_of(reports, first),
            service,
            run,
            first=first,
            cpu_s=cpu,
        )
        startup_s, self._unreported_s = self._unreported_s, 0.0
        return assemble(
            self._name,
            names,
            run,
            sink.outputs,
            first_result_ns=sink.first_result_ns,
            visits=visits,
            rows=rows,
            startup_s=startup_s,
        )


def _finish(pool: Pool, crew: Crew, *wakes: socket.socket) -> None:
    pool.close()
    crew.close()
    for wake in wakes:
        wake.close()
