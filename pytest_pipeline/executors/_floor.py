"""What the layouts of the threads executor have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from time import perf_counter_ns
from typing import TYPE_CHECKING, Protocol

from pytest_pipeline.executors._accounts import IDLE, Account
from pytest_pipeline.executors._hops import Inlet, Outlet
from pytest_pipeline.executors._intake import ListInlet
from pytest_pipeline.executors._sink import Dropped
from pytest_pipeline.executors._summary import summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_pipeline.executors._crew import Job
    from pytest_pipeline.executors._hops import Hop, Outgoing, Putter
    from pytest_pipeline.executors._intake import Intake, ListFeed
    from pytest_pipeline.executors._run import Run
    from pytest_pipeline.executors._sink import Sink
    from pytest_pipeline.model.ledger import LedgerRow
    from pytest_pipeline.model.plan import Plan
    from pytest_pipeline.model.trace import Floats


class Floor(Protocol):
    """Everything between the source and the sink of one run."""

    @property
    def jobs(self) -> Sequence[Job]:
        """Return one loop per worker thread, in the order of `accounts`."""
        ...

    @property
    def accounts(self) -> Sequence[Account]:
        """What each worker writes down."""
        ...

    def entrance(self, feeder: Account) -> Outgoing:
        """Where the source's thread, if there is one, puts its items."""
        ...

    def rows(self, service: Floats, run: Run) -> Sequence[LedgerRow]:
        """Return the stages' part of the ledger; `service` is in seconds, by index of the trace."""
        ...


class Hall:
    """What every floor has: names, the run, hops between its workers, and the ways in and out."""

    def __init__(
        self,
        plan: Plan,
        names: tuple[str, ...],
        run: Run,
        sink: Sink,
        *,
        feed: ListFeed | None,
        hops: Sequence[Hop],
    ) -> None:
        self._plan = plan
        self._names = names
        self._run = run
        self._sink = sink
        self._feed = feed
        self._hops = hops
        self._first = len(names) - len(plan.stages)
        for hop in hops:
            run.on_stop(hop.stop)

    def entrance(self, feeder: Account) -> Outgoing:
        """Return the producer's end of the first hop."""
        return Outlet(self._hops[0], self._run, feeder)

    def _intake(self, number: int, account: Account) -> Intake:
        """Return one worker's end of the hop, or of the list that stands in front of the first one."""
        if number == 0 and self._feed is not None:
            return ListInlet(self._feed, account)
        return Inlet(self._hops[number], self._run, account)

    def _outlet(self, number: int, account: Account) -> Outgoing:
        """Return a producer's end of the hop; behind the last one is the sink."""
        if number == len(self._hops):
            return self._sink
        return Outlet(self._hops[number], self._run, account)


class Loop(ABC):
    """What one worker thread does in a run, with its presence stamped."""

    def __init__(self, run: Run, account: Account, intake: Intake) -> None:
        self._run = run
        self._account = account
        self._intake = intake

    def __call__(self) -> None:
        """Work until the run is over."""
        self._account.enter()
        self._work()
        self._account.leave()

    @abstractmethod
    def _work(self) -> None:
        """Take items until there are no more."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an exception was raised."""

    stage: str
    item: int
    enqueued_ns: int


def raised(error: BaseException, place: Place, account: Account, run: Run, sink: Putter) -> None:
    """Collect the error of one item, or end the run with it."""
    finished = perf_counter_ns()
    account.item = IDLE
    if run.collects_errors and isinstance(error, Exception):
        account.recorder.add(
            (place.item, account.stage, place.enqueued_ns, account.since_ns, finished)
        )
        sink.put((place.item, Dropped(place.stage, place.item, summary(error)), finished))
    else:
        run.fail(error, place.stage, place.item)
