"""Worker accounts and the ledger that they add up to."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Sequence, Sized
from typing import TYPE_CHECKING

from pytest_pipeline.executors._recorder import MOST_VISITS, Recorder, Recording
from pytest_pipeline.model.ledger import LedgerRow

if TYPE_CHECKING:
    from pytest_pipeline.executors._run import Run
    from pytest_pipeline.model.trace import Floats

VisitRow = tuple[int, int, int, int, int, int]
"""(item, stage, worker, enqueued_ns, started_ns, finished_ns)."""

IDLE = -1
"""`Account.item` of a worker that is not inside a stage function."""

SOURCE = -1
"""`Account.stage` of the thread that takes the items."""


class Account:
    """What one worker did in one execution. Written by that worker only, read when it is done.

    `item`, `done`, `stage` and `since_ns` are also read while it works, to name the culprit of a
    timeout: each is one reference, replaced whole, so that a reader sees the old one or the new one
    with or without the GIL.
    """

    __slots__ = (
        "blocked_ns",
        "cpu_ns",
        "done",
        "entered_ns",
        "item",
        "left_ns",
        "recorder",
        "serialisation_ns",
        "since_ns",
        "slot",
        "stage",
        "starved_ns",
        "transfer_ns",
    )

    def __init__(self, stage: int, slot: int) -> None:
        self.stage = stage
        self.slot = slot
        self.item = IDLE
        self.since_ns = 0
        self.entered_ns = self.left_ns = self.cpu_ns = 0
        self.blocked_ns = self.starved_ns = self.serialisation_ns = self.transfer_ns = 0
        self.recorder = Recorder()
        self.done: Sized = ()
        """Items of the chunk in hand that have gone through: `item` is its first."""

    @property
    def visits(self) -> list[VisitRow]:
        """What was recorded, as rows."""
        columns = Recording([(self.slot, self.recorder)], 1).visits
        names = ("item", "stage", "worker", "enqueued_ns", "started_ns", "finished_ns")
        return list(zip(*(getattr(columns, name).tolist() for name in names), strict=True))

    def enter(self) -> None:
        """Stamp the start of this worker's loop."""
        self.cpu_ns = -time.thread_time_ns()
        self.entered_ns = time.perf_counter_ns()

    def leave(self) -> None:
        """Stamp its end."""
        self.left_ns = time.perf_counter_ns()
        self.cpu_ns += time.thread_time_ns()


def stage_limit(stages: int) -> int:
    """Return how many visits of each stage one execution may keep."""
    return max(1, MOST_VISITS // stages)


def share_limit(accounts: Sequence[Account]) -> None:
    """Share out the visits that one execution may keep: evenly over stages, then over workers."""
    workers = Counter(account.stage for account in accounts)
    for account in accounts:
        share = stage_limit(len(workers)) // workers[account.stage]
        account.recorder.limit = max(1, share)


def recording_of(accounts: Sequence[Account], stages: int) -> Recording:
    """Return what all of them recorded."""
    return Recording([(account.slot, account.recorder) for account in accounts], stages)


def stage_row(
    name: str, accounts: Sequence[Account], service_s: float, run: Run, cpu_s: float | None = None
) -> LedgerRow:
    """Return the ledger row of workers that belong to one stage, or to one pool.

    The stamps of a worker are contiguous: what lies between the end of one visit and the start of
    the next, and is neither blocked nor starved, is the executor's own hand-over. Only what lies
    outside the worker's first and last stamp stays unaccounted.
    """
    makespan_ns = run.ended_ns - run.began_ns
    present = sum(run.inside(a.entered_ns, a.left_ns) for a in accounts) / 1e9
    blocked = sum(a.blocked_ns for a in accounts) / 1e9
    starved = sum(a.starved_ns for a in accounts) / 1e9
    serialisation = sum(a.serialisation_ns for a in accounts) / 1e9
    transfer = sum(a.transfer_ns for a in accounts) / 1e9
    others = service_s + blocked + starved + serialisation
    # The last answer may be read, and the run be over, before its sender comes back from sending it.
    transfer -= min(transfer, max(0.0, others + transfer - present))
    return LedgerRow(
        name,
        len(accounts),
        service_s=service_s,
        blocked_s=blocked,
        starved_s=starved,
        serialisation_s=serialisation,
        transfer_s=transfer,
        handover_s=present - others - transfer,
        unaccounted_s=len(accounts) * makespan_ns / 1e9 - present,
        cpu_s=sum(a.cpu_ns for a in accounts) / 1e9 if cpu_s is None else cpu_s,
    )


def pooled_rows(
    names: Sequence[str],
    pool: str,
    accounts: Sequence[Account],
    service: Floats,
    run: Run,
    *,
    first: int = 0,
    cpu_s: Sequence[float] | None = None,
) -> tuple[LedgerRow, ...]:
    """Return one row per stage from `first` on (service only, no slots) and the row of the pool.

    The pool's row holds everything but service, so that all the rows together add up; its CPU time
    is likewise what the stages did not use.
    """
    hosted = float(service[first:].sum())
    whole = stage_row(pool, accounts, hosted, run)
    cpu = cpu_s if cpu_s is not None else [0.0] * len(names)
    rows = [
        LedgerRow(names[k], 0, service_s=float(service[k]), cpu_s=cpu[k])
        for k in range(first, len(names))
    ]
    rest = dataclasses.replace(whole, service_s=0.0, cpu_s=max(0.0, whole.cpu_s - sum(cpu)))
    return (*rows, rest)
