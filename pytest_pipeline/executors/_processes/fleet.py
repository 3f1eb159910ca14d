"""Worker processes that are up and hold the stages: one execution after another."""

from __future__ import annotations

import atexit
import contextlib
import pickle
import socket
import warnings
import weakref
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_pipeline.errors import SlowPathWarning, UsageError
from pytest_pipeline.executors._accounts import SOURCE, Account, stage_limit, stage_row
from pytest_pipeline.executors._assemble import assemble, stage_names
from pytest_pipeline.executors._chunks import chunk_for
from pytest_pipeline.executors._crew import Crew, Watch, watch_accounts
from pytest_pipeline.executors._hops import STOP, Credits, FreeOutlet, Purse
from pytest_pipeline.executors._processes.answers import Answers
from pytest_pipeline.executors._processes.board import IDLE
from pytest_pipeline.executors._processes.dispatch import Dispatcher
from pytest_pipeline.executors._processes.frames import Frame, Kind
from pytest_pipeline.executors._processes.lanes import make_lanes
from pytest_pipeline.executors._processes.packing import Packer
from pytest_pipeline.executors._processes.pool import Pool
from pytest_pipeline.executors._processes.recycled import forget
from pytest_pipeline.executors._processes.reports import Gathered, Named, read_reports, rows_of
from pytest_pipeline.executors._processes.shipping import Codec, pickle_stages
from pytest_pipeline.executors._processes.surroundings import Around
from pytest_pipeline.executors._processes.waiting import Backlog
from pytest_pipeline.executors._run import Run
from pytest_pipeline.executors._running import Opened
from pytest_pipeline.executors._sink import Sink
from pytest_pipeline.executors._source import InlineFeed, Pump, admission_gate
from pytest_pipeline.model.plan import CHUNKS_AHEAD

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_pipeline.executors._crew import Job
    from pytest_pipeline.executors._processes.lanes import Lane
    from pytest_pipeline.executors._processes.packing import Feed
    from pytest_pipeline.executors._processes.records import Roster
    from pytest_pipeline.model.plan import Plan, Source
    from pytest_pipeline.model.trace import Trace

_START_S = 60.0
"""How long a worker process may take to start and to load the stages."""


class RunningProcesses(Opened):
    """Worker processes that are up and hold the stages."""

    def __init__(
        self, name: str, plan: Plan, roster: Roster, start_method: str | None, chunk: int
    ) -> None:
        super().__init__(name, plan)
        self._roster = roster
        self._chunk = chunk
        self._runs = 0
        self._has_warned = False
        stages, classes = pickle_stages([stage.fn for stage in plan.stages], plan.names)
        self._codec = Codec(is_worker=False, brought=classes)
        self._surroundings = Around(name, self._codec)
        with contextlib.ExitStack() as undo:
            self._pool = Pool(roster, start_method, stages, plan.names, _START_S)
            undo.callback(self._pool.close)
            self._wake, self._wake_end = socket.socketpair()
            undo.callback(self._wake_end.close)
            undo.callback(self._wake.close)
            self._crew = Crew([f"pipeline-{name}-source"])
            undo.pop_all()
        self._wake_end.setblocking(False)  # noqa: FBT003 - a positional-only argument
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
        self._note_start_up()

    @property
    def abandoned(self) -> tuple[str, ...]:
        """Names of the threads and worker processes that hung and are still alive."""
        return (*self._crew.abandoned, *self._pool.abandoned)

    def close(self) -> None:
        """End all the workers."""
        self._finish()
        atexit.unregister(self._finish)
        forget()

    def _execute(self, source: Source) -> Trace:
        if not self._finish.alive:
            raise UsageError("this executor is closed: open it again")
        self._runs += 1
        run = Run(collects_errors=source.collects_errors, items_each=self._plan.items_each)
        chunk = chunk_for(self._chunk, source, len(self._roster.stages))
        sink = Sink(run, self._gate(source, chunk))
        names = stage_names(self._plan, source)
        feeder = Account(SOURCE, 0)
        feeder.recorder.limit = stage_limit(len(names))
        feed, pumps = self._feed(source, run, sink.gate, feeder)
        try:
            self._begin(len(names), collects_errors=source.collects_errors)
            lanes = make_lanes(self._pool, self._roster, self._plan, stage_limit(len(names)))
            entry, view = self._plan.names[0], self._roster.is_view
            dispatcher = Dispatcher(
                self._pool,
                run,
                sink,
                packer=Packer(self._codec, run, sink, feed, chunk=chunk, first_stage=entry),
                answers=Answers(self._codec, run, sink, self._plan.names, is_view=view),
                wake=self._wake,
                names=self._plan.names,
                lanes=lanes,
            )
            self._serve(run, pumps, dispatcher, feeder)
            trace = self._trace(names, run, sink, lanes, feeder)
            return replace(trace, handed_over=chunk)
        except BaseException:
            # Only workers that are known to be idle may serve the next run.
            if not run.began_ns or sink.is_complete:
                self._pool.discard_all()
            raise

    def _gate(self, source: Source, chunk: int) -> Credits:
        """Bound what is inside; chunks need room for one in each worker and more on their way."""
        depths, workers = sum(s.queue_size for s in self._plan.stages), len(self._roster.stages)
        if chunk == 1 or source.in_flight is not None:
            return admission_gate(source, depths, workers * chunk)
        inside = workers * chunk
        return Credits(max(depths, CHUNKS_AHEAD * inside) + inside, chunk)

    def _feed(
        self, source: Source, run: Run, gate: Credits, feeder: Account
    ) -> tuple[Feed, list[Job]]:
        """Return where the items come from, and the source's thread if it needs one."""
        if not source.may_wait:
            return InlineFeed(source, run, gate), []
        backlog = Backlog(self._wake_end)
        run.on_stop(lambda: backlog.put(STOP))
        purse = Purse(gate, run, feeder)
        return backlog, [
            Pump(source, run, feeder, gate=purse, outlet=FreeOutlet(backlog), ends=backlog)
        ]

    def _begin(self, stages: int, *, collects_errors: bool) -> None:
        self._pool.fill()
        surroundings = self._surroundings.now(
            collects_errors=collects_errors,
            items_each=self._plan.items_each,
            most_visits=stage_limit(stages),
        )
        self._pool.handshake(Frame(Kind.BEGIN, self._runs, body=pickle.dumps(surroundings)))

    def _serve(self, run: Run, pumps: list[Job], dispatcher: Dispatcher, feeder: Account) -> None:
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
        self, names: tuple[str, ...], run: Run, sink: Sink, lanes: Sequence[Lane], feeder: Account
    ) -> Trace:
        reports = read_reports(
            self._pool.handshake(Frame(Kind.END, stamps=(run.began_ns, run.ended_ns, 0)))
        )
        self._warn_of(report.trouble for report in reports)
        gathered = Gathered(reports, lanes, feeder.recorder, len(names))
        service = gathered.service_s
        rows = rows_of(reports, lanes, service, run, Named(names, f"({self._name})"))
        if len(names) > len(self._plan.names):
            rows = (stage_row(names[0], [feeder], float(service[0]), run), *rows)
        return assemble(
            self._name,
            names,
            run,
            sink,
            visits=gathered.visits,
            rows=rows,
            sample=gathered.sample(sink.num_items),
            ends=gathered.emitted,
        )

    def _warn_of(self, troubles: Iterable[str]) -> None:
        """Say once why large buffers could not go through shared memory."""
        here = (worker.trouble or worker.channel.trouble for worker in self._pool.workers)
        trouble = next(filter(None, [*here, *troubles]), "")
        if trouble and not self._has_warned:
            self._has_warned = True
            warnings.warn(
                f"executor {self._name!r}: no shared memory for large buffers ({trouble}): they go through a socket, "
                "about three times slower; next: free memory or file descriptors, or use fewer workers",
                SlowPathWarning,
                stacklevel=2,
            )


def _finish(pool: Pool, crew: Crew, *wakes: socket.socket) -> None:
    with contextlib.ExitStack() as rest:  # each of them, even if Ctrl-C ends one of them
        for wake in wakes:
            rest.callback(wake.close)
        rest.callback(crew.close)
        rest.callback(pool.close)
