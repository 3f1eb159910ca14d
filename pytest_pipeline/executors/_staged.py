"""The staged layout of threads: workers pinned to stages, joined by bounded hops."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_pipeline.executors._accounts import Account, stage_row
from pytest_pipeline.executors._floor import Hall
from pytest_pipeline.executors._hops import Hop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_pipeline.executors._crew import Job
    from pytest_pipeline.executors._intake import ListFeed
    from pytest_pipeline.executors._run import Run
    from pytest_pipeline.executors._sink import Sink
    from pytest_pipeline.executors._worker import Worker
    from pytest_pipeline.model.ledger import LedgerRow
    from pytest_pipeline.model.plan import Plan
    from pytest_pipeline.model.trace import Floats


class StagedFloor(Hall):
    """Workers pinned to their stage; neighbours joined by bounded hops."""

    def __init__(
        self,
        plan: Plan,
        names: tuple[str, ...],
        run: Run,
        sink: Sink,
        *,
        feed: ListFeed | None,
        worker: type[Worker],
    ) -> None:
        widths = [1, *(stage.workers for stage in plan.stages)]
        hops = [
            Hop(stage.queue_size, widths[k], stage.workers) for k, stage in enumerate(plan.stages)
        ]
        super().__init__(plan, names, run, sink, feed=feed, hops=hops)
        self.accounts = [
            Account(self._first + k, slot)
            for k, stage in enumerate(plan.stages)
            for slot in range(stage.workers)
        ]
        self.jobs: Sequence[Job] = [self._worker(account, worker) for account in self.accounts]

    def rows(self, service: Floats, run: Run) -> Sequence[LedgerRow]:
        """Return a row per stage, with its own workers."""
        groups = {
            k: [a for a in self.accounts if a.stage == k]
            for k in range(self._first, len(self._names))
        }
        return [
            stage_row(self._names[k], group, float(service[k]), run) for k, group in groups.items()
        ]

    def _worker(self, account: Account, kind: type[Worker]) -> Worker:
        number = account.stage - self._first
        return kind(
            self._plan.stages[number].fn,
            self._names[account.stage],
            self._run,
            account,
            intake=self._intake(number, account),
            outlet=self._outlet(number + 1, account),
            sink=self._sink,
        )
