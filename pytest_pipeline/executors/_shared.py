"""The shared layout of threads: one pool, any thread runs any stage."""

from __future__ import annotations

from collections import deque
from queue import Empty, SimpleQueue
from time import perf_counter_ns, thread_time_ns
from typing import TYPE_CHECKING, Any

from pytest_pipeline.executors._accounts import IDLE, Account, pooled_rows
from pytest_pipeline.executors._cpu import CpuSampler
from pytest_pipeline.executors._floor import Place, raised
from pytest_pipeline.executors._hops import FreeOutlet
from pytest_pipeline.executors._run import GO, OVER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_pipeline.executors._crew import Job
    from pytest_pipeline.executors._hops import Message, Outgoing
    from pytest_pipeline.executors._run import Run
    from pytest_pipeline.model.plan import Plan
    from pytest_pipeline.model.trace import Floats, LedgerRow


class SharedFloor:
    """One pool of threads; any of them runs whatever is next, the deepest stage first.

    Nothing between the stages needs a bound of its own: the admission gate bounds their sum.
    """

    def __init__(
        self,
        plan: Plan,
        names: tuple[str, ...],
        run: Run,
        results: SimpleQueue[Message],
        *,
        workers: int,
        pool: str,
    ) -> None:
        self._pool = pool
        self.first = len(names) - len(plan.stages)
        self.run = run
        self.results = results
        self.names = names
        self.fns = [stage.fn for stage in plan.stages]
        self.work: SimpleQueue[bool] = SimpleQueue()
        self._waiting: list[deque[Message]] = [deque() for _ in plan.stages]
        self.accounts = [Account(self.first, slot) for slot in range(workers)]
        self.workers = [SharedWorker(self, account) for account in self.accounts]
        run.on_stop(lambda: self.work.put(OVER))

    def entrance(self, feeder: Account) -> Outgoing:  # noqa: ARG002 - sending never waits here
        """Return the first stage's queue."""
        return FreeOutlet(self)

    @property
    def jobs(self) -> Sequence[Job]:
        """One loop per worker thread."""
        return self.workers

    def rows(self, service: Floats, run: Run) -> Sequence[LedgerRow]:
        """Return a row of service per stage, and the pool's."""
        cpu_s = CpuSampler.estimate([worker.sampler for worker in self.workers], service)
        return pooled_rows(
            self.names, self._pool, self.accounts, service, run, first=self.first, cpu_s=cpu_s
        )

    def put(self, message: Message, stage: int = 0) -> None:
        """Queue an item for `stage`: first the item, then the token that promises it."""
        self._waiting[stage].append(message)
        self.work.put(GO)

    def take(self) -> tuple[int, Message]:
        """Return the deepest item; the caller holds a token, so there is one for it."""
        while True:
            for stage in range(len(self._waiting) - 1, -1, -1):
                try:
                    return stage, self._waiting[stage].popleft()
                except IndexError:
                    continue
            # Another worker took what this scan had not reached yet, and its own was put behind it.


class SharedWorker:
    """The loop of one thread of the shared pool."""

    def __init__(self, floor: SharedFloor, account: Account) -> None:
        self._floor = floor
        self._account = account
        self.sampler = CpuSampler(len(floor.names), thread_time_ns)

    def __call__(self) -> None:
        """Work until the run is over."""
        self._account.enter()
        while self._receive():
            stage, message = self._floor.take()
            self._visit(stage, *message)
        self._account.leave()

    def _receive(self) -> bool:
        floor = self._floor
        try:
            token = floor.work.get_nowait()
        except Empty:
            before = perf_counter_ns()
            token = floor.work.get()
            self._account.starved_ns += floor.run.inside(before, perf_counter_ns())
        if token and not floor.run.failed:
            return True
        floor.work.put(OVER)
        return False

    def _visit(self, stage: int, item: int, value: Any, enqueued: int) -> None:
        floor, account = self._floor, self._account
        account.stage = floor.first + stage
        account.item = item
        is_sampled = self.sampler.takes(item)
        cpu = thread_time_ns() if is_sampled else 0
        account.since_ns = started = perf_counter_ns()
        try:
            value = floor.fns[stage](value)
        except BaseException as error:
            place = Place(floor.names[account.stage], item, enqueued)
            raised(error, place, account, floor.run, floor.results)
            return
        finished = perf_counter_ns()
        account.item = IDLE
        account.visits.append((item, account.stage, account.slot, enqueued, started, finished))
        if is_sampled:
            self.sampler.add(account.stage, thread_time_ns() - cpu, finished - started)
        if stage + 1 == len(floor.fns):
            floor.results.put((item, value, finished))
        else:
            floor.put((item, value, finished), stage + 1)
