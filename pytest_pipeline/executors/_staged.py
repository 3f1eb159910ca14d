"""The staged layout of threads: workers pinned to stages, joined by bounded hops."""

from __future__ import annotations

from queue import SimpleQueue
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from pytest_pipeline.executors._accounts import IDLE, Account, stage_row
from pytest_pipeline.executors._floor import Place, raised
from pytest_pipeline.executors._hops import FreeOutlet, Hop, Inlet, Outlet

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_pipeline.executors._crew import Job
    from pytest_pipeline.executors._hops import Message, Outgoing
    from pytest_pipeline.executors._run import Run
    from pytest_pipeline.model.plan import Plan
    from pytest_pipeline.model.trace import Floats, LedgerRow


class StagedFloor:
    """Workers pinned to their stage; neighbours joined by bounded hops."""

    def __init__(
        self, plan: Plan, names: tuple[str, ...], run: Run, results: SimpleQueue[Message]
    ) -> None:
        first = len(names) - len(plan.stages)
        widths = [1, *(stage.workers for stage in plan.stages)]
        self._run = run
        self._names = names
        self._hops = [
            Hop(stage.queue_size, widths[k], stage.workers) for k, stage in enumerate(plan.stages)
        ]
        for hop in self._hops:
            run.on_stop(hop.stop)
        self.jobs: list[Job] = []
        self.accounts: list[Account] = []
        last = len(plan.stages) - 1
        for k, stage in enumerate(plan.stages):
            for slot in range(stage.workers):
                account = Account(first + k, slot)
                outlet = (
                    FreeOutlet(results) if k == last else Outlet(self._hops[k + 1], run, account)
                )
                inlet = Inlet(self._hops[k], run, account)
                self.accounts.append(account)
                self.jobs.append(
                    StagedWorker(
                        stage.fn,
                        names[first + k],
                        run,
                        account,
                        inlet=inlet,
                        outlet=outlet,
                        results=results,
                    )
                )

    def entrance(self, feeder: Account) -> Outgoing:
        """Return the producer's end of the first hop."""
        return Outlet(self._hops[0], self._run, feeder)

    def rows(self, service: Floats, run: Run) -> Sequence[LedgerRow]:
        """Return a row per stage, with its own workers."""
        first = len(self._names) - len(self._hops)
        groups = {
            k: [a for a in self.accounts if a.stage == k] for k in range(first, len(self._names))
        }
        return [
            stage_row(self._names[k], group, float(service[k]), run) for k, group in groups.items()
        ]


class StagedWorker:
    """The loop of one worker of one stage."""

    def __init__(
        self,
        fn: Callable[[Any], Any],
        name: str,
        run: Run,
        account: Account,
        *,
        inlet: Inlet,
        outlet: Outgoing,
        results: SimpleQueue[Message],
    ) -> None:
        self._fn = fn
        self._name = name
        self._run = run
        self._account = account
        self._inlet = inlet
        self._outlet = outlet
        self._results = results

    def __call__(self) -> None:
        """Work until the run is over."""
        self._account.enter()
        self._work()
        self._account.leave()

    def _work(self) -> None:
        fn, account = self._fn, self._account
        receive, send, record = self._inlet.receive, self._outlet.send, account.visits.append
        stage, slot = account.stage, account.slot
        while (message := receive()) is not None:
            item, value, enqueued = message
            account.item = item
            account.since_ns = started = perf_counter_ns()
            try:
                value = fn(value)
            except BaseException as error:
                place = Place(self._name, item, enqueued)
                raised(error, place, account, self._run, self._results)
                continue
            finished = perf_counter_ns()
            account.item = IDLE
            record((item, stage, slot, enqueued, started, finished))
            if not send(item, value, finished):
                return
