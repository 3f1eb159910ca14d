"""What the layouts of the threads executor have in common."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter_ns
from typing import TYPE_CHECKING, Protocol

from pytest_pipeline.executors._accounts import IDLE, Account
from pytest_pipeline.executors._sink import Dropped
from pytest_pipeline.executors._summary import summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_pipeline.executors._crew import Job
    from pytest_pipeline.executors._hops import Outgoing, Putter
    from pytest_pipeline.executors._run import Run
    from pytest_pipeline.model.trace import Floats, LedgerRow


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
