"""Serial: the baseline. A plain depth-first loop, one item at a time."""

from __future__ import annotations

from collections.abc import Iterator
from queue import SimpleQueue
from time import perf_counter_ns, process_time_ns
from typing import TYPE_CHECKING, Any

from pytest_pipeline.executors._accounts import (
    IDLE,
    SOURCE,
    Account,
    pooled_rows,
    recording_of,
    share_limit,
)
from pytest_pipeline.executors._assemble import assemble, stage_names
from pytest_pipeline.executors._cpu import CpuSampler
from pytest_pipeline.executors._crew import watch_accounts
from pytest_pipeline.executors._depth_first import FAILED, DepthFirst
from pytest_pipeline.executors._run import Run, get_before
from pytest_pipeline.executors._running import RunningOnThreads
from pytest_pipeline.executors._sink import Dropped
from pytest_pipeline.executors._source import Pacer
from pytest_pipeline.model.plan import SOURCE_STAGE

if TYPE_CHECKING:
    from pytest_pipeline.model.plan import Plan, Source
    from pytest_pipeline.model.trace import Trace


class Serial:
    """Run every item through all the stages before taking the next."""

    def __init__(self, name: str = "serial") -> None:
        self._name = name

    def __repr__(self) -> str:
        return f"Serial(name={self._name!r})"

    @property
    def name(self) -> str:
        """The arm's name."""
        return self._name

    def workers(self, plan: Plan) -> int:  # noqa: ARG002 - the contract asks for it
        """Return 1."""
        return 1

    def unavailable(self) -> str | None:
        """Return None: a loop runs everywhere."""
        return None

    def open(self, plan: Plan) -> RunningSerial:
        """Start the one worker thread."""
        return RunningSerial(self._name, plan)


class RunningSerial(RunningOnThreads):
    """The worker thread of the serial loop.

    A thread of its own, so that the caller can wait with a timeout and be interrupted.
    """

    def __init__(self, name: str, plan: Plan) -> None:
        super().__init__(name, plan, [f"pipeline-{name}"])

    def _execute(self, source: Source) -> Trace:
        run = Run(collects_errors=source.collects_errors, items_each=self._plan.items_each)
        done: SimpleQueue[None] = SimpleQueue()
        run.on_stop(lambda: done.put(None))
        names = stage_names(self._plan, source)
        account = Account(SOURCE, 0)
        share_limit([account])
        loop = _Loop(self._plan, source, run, account, names)
        self._crew.execute(
            run,
            [loop],
            self._plan.timeout_s,
            lambda deadline: _wait(run, done, deadline),
            lambda: watch_accounts([account], names),
        )
        recording = recording_of([account], len(names))
        service = recording.service_s
        return assemble(
            self._name,
            names,
            run,
            loop,
            visits=recording.visits,
            rows=pooled_rows(
                names,
                f"({self._name})",
                [account],
                service,
                run,
                cpu_s=CpuSampler.estimate([loop.sampler], service),
            ),
            sample=recording.sample(len(loop.outputs) + len(run.failures.items), 1),
        )


def _wait(run: Run, done: SimpleQueue[None], deadline: float) -> None:
    get_before(done, deadline)
    if run.error is not None:
        raise run.error


class _Loop:
    """One serial execution."""

    def __init__(
        self, plan: Plan, source: Source, run: Run, account: Account, names: tuple[str, ...]
    ) -> None:
        self.outputs: list[Any] = []
        self.first_result_ns = 0
        self._source = source
        self._run = run
        self._account = account
        # Of the process, not of the thread: helper threads of a stage (BLAS) work for it, and
        # nothing else of this process works during a serial execution.
        self._line = DepthFirst(plan, names, run, account, process_time_ns)
        self.sampler = self._line.sampler
        self._pacer = None if source.offsets_ns is None else Pacer(source.offsets_ns, run)

    def __call__(self) -> None:
        """Run all the items, then end the run."""
        self._account.enter()
        if self._run.go.get() and self._serve():
            self._run.end()
        self._account.leave()

    def _serve(self) -> bool:
        """Return whether all the items went through."""
        iterator = self._open_source()
        return iterator is not None and self._serve_all(iterator)

    def _open_source(self) -> Iterator[Any] | None:
        # Apart from the items: a StopIteration of the factory is a failure, not the end of the items.
        try:
            self._account.item, self._account.since_ns = 0, perf_counter_ns()
            return self._source.factory()
        except BaseException as error:
            self._run.fail(error, SOURCE_STAGE, 0)
        finally:
            self._account.item = IDLE
        return None

    def _serve_all(self, iterator: Iterator[Any]) -> bool:
        item = 0
        try:
            while not self._run.failed and self._take(iterator, item):
                item += 1
                if item % self._line.fold_every == 0:
                    self._account.recorder.fold()
        except StopIteration:
            return True
        except BaseException as error:
            self._run.fail(error, SOURCE_STAGE, item)
        finally:
            self._account.item = IDLE
        return False

    def _take(self, iterator: Iterator[Any], item: int) -> bool:
        """Take one item and run its stages; False when the run is over."""
        if self._source.is_timed:
            return self._take_timed(iterator, item)
        account, entered = self._account, -1
        if self._pacer is not None:
            entered = self._pacer.wait(item, account)
            if not entered:
                return False
        account.stage, account.item, account.since_ns = SOURCE, item, perf_counter_ns()
        value = next(iterator)
        account.item = IDLE
        if entered > 0:
            self._run.admitted_ns.append(entered)
        return self._emit(self._line.through(item, value, perf_counter_ns()))

    def _take_timed(self, iterator: Iterator[Any], item: int) -> bool:
        """Take one item whose `next()` is a visit of its own."""
        account, now = self._account, perf_counter_ns()
        entered = now if self._pacer is None else self._pacer.wait(item, account)
        if not entered:
            return False
        account.stage, account.item = SOURCE, item
        is_sampled = self.sampler.takes(item)
        cpu = process_time_ns() if is_sampled else 0
        account.since_ns = started = perf_counter_ns()
        value = next(iterator)
        finished = perf_counter_ns()
        account.item = IDLE
        account.recorder.add((item, 0, entered, started, finished))
        if is_sampled:
            self.sampler.add(0, process_time_ns() - cpu, finished - started)
        return self._emit(self._line.through(item, value, finished))

    def _emit(self, output: Any) -> bool:
        """Keep the output; False when the run is over."""
        if output is FAILED:
            return False
        if type(output) is Dropped:
            self._run.failures.add(output.failure)
        else:
            self.outputs.append(output)
            if not self.first_result_ns:
                self.first_result_ns = perf_counter_ns()
        return not self._run.failed
