"""The shared layout of threads: one pool, each worker takes an item through all the stages.

Between the stages of one item there is no queue: a worker that handed its item over would take it
back at once, since the deepest item goes first. So nobody waits while there is an item to work on,
and a pool of W threads reaches W times the serial speed whatever the stages' proportions.
"""

from __future__ import annotations

from itertools import islice
from time import thread_time_ns
from typing import TYPE_CHECKING

from pytest_pipeline.executors._accounts import Account, pooled_rows
from pytest_pipeline.executors._cpu import CpuSampler
from pytest_pipeline.executors._depth_first import FAILED, DepthFirst
from pytest_pipeline.executors._floor import Hall, Loop
from pytest_pipeline.executors._hops import Hop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_pipeline.executors._crew import Job
    from pytest_pipeline.executors._intake import Intake, ListFeed
    from pytest_pipeline.executors._run import Run
    from pytest_pipeline.executors._sink import Sink
    from pytest_pipeline.model.ledger import LedgerRow
    from pytest_pipeline.model.plan import Plan
    from pytest_pipeline.model.trace import Floats


class SharedFloor(Hall):
    """One pool of threads; each of them runs all the stages."""

    def __init__(
        self,
        plan: Plan,
        names: tuple[str, ...],
        run: Run,
        sink: Sink,
        *,
        feed: ListFeed | None,
        workers: int,
        pool: str,
    ) -> None:
        hop = Hop(sum(stage.queue_size for stage in plan.stages), 1, workers)
        super().__init__(plan, names, run, sink, feed=feed, hops=[hop])
        self._pool = pool
        self.accounts = [Account(self._first, slot) for slot in range(workers)]
        self._lines = [
            DepthFirst(plan, names, run, account, thread_time_ns) for account in self.accounts
        ]
        self.jobs: Sequence[Job] = [
            SharedWorker(
                run,
                line.account,
                intake=self._intake(0, line.account),
                line=line,
                sink=sink,
            )
            for line in self._lines
        ]

    def rows(self, service: Floats, run: Run) -> Sequence[LedgerRow]:
        """Return a row of service per stage, and the pool's."""
        cpu_s = CpuSampler.estimate([line.sampler for line in self._lines], service)
        return pooled_rows(
            self._names, self._pool, self.accounts, service, run, first=self._first, cpu_s=cpu_s
        )


class SharedWorker(Loop):
    """The loop of one thread of the shared pool."""

    def __init__(
        self, run: Run, account: Account, *, intake: Intake, line: DepthFirst, sink: Sink
    ) -> None:
        super().__init__(run, account, intake)
        self._line = line
        self._sink = sink

    def _work(self) -> None:
        messages, through, send = self._intake.messages(), self._line.through, self._sink.send
        while not self._intake.is_over:
            for item, value, enqueued in islice(messages, self._line.fold_every):
                output = through(item, value, enqueued)
                if output is not FAILED:
                    send(item, output, 0)
            self._account.recorder.fold()
