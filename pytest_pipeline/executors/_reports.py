"""From what worker processes report at the end of a run to visits and accounts."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_pipeline.executors._accounts import (
    Account,
    pooled_rows,
    service_by_stage,
    stage_row,
)
from pytest_pipeline.executors._cpu import CpuSampler
from pytest_pipeline.model.trace import Visits, make_visits

if TYPE_CHECKING:
    from pytest_pipeline.executors._accounts import VisitRow
    from pytest_pipeline.executors._frames import Frame
    from pytest_pipeline.executors._lanes import Lane
    from pytest_pipeline.executors._records import Report
    from pytest_pipeline.executors._run import Run
    from pytest_pipeline.model.trace import Ints, LedgerRow


@dataclass(frozen=True, slots=True)
class Named:
    """Names for the rows of the ledger."""

    stages: tuple[str, ...]
    """Every stage of the trace, the source in front when it is timed."""
    pool: str
    """The workers that host several stages."""


def read_reports(frames: Sequence[Frame]) -> list[Report]:
    """Return the workers' reports, by slot."""
    return [pickle.loads(frame.body) for frame in frames]


def visits_of(
    reports: Sequence[Report], lanes: Sequence[Lane], first: int, source_visits: list[VisitRow]
) -> Visits:
    """Return all the visits; `first` is the index of the first stage in the trace.

    An item is enqueued for a lane's first stage when the parent had it, and for any other one
    when the stage before it has finished in the same worker.
    """
    parts = [make_visits(source_visits)]
    for lane in lanes:
        enqueued = np.zeros(max(lane.enqueued_ns, default=-1) + 1, dtype=np.int64)
        enqueued[list(lane.enqueued_ns)] = list(lane.enqueued_ns.values())
        for slot, worker in enumerate(lane.workers):
            item, stage, started, finished = _rows(reports[worker.slot])
            available = item
            if len(item):
                is_entry = stage == lane.stages[0]
                available = np.where(is_entry, enqueued[item], _finished_before(item, finished))
            parts.append(
                Visits(item, stage + first, np.full_like(item, slot), available, started, finished)
            )
    return Visits(*(_joined(parts, name) for name in Visits.__dataclass_fields__))


def accounts_of(reports: Sequence[Report], lane: Lane, stage: int) -> list[Account]:
    """Return the accounts of the lane's workers."""
    accounts = []
    for slot, worker in enumerate(lane.workers):
        report = reports[worker.slot]
        account = Account(stage, slot)
        account.entered_ns, account.left_ns = report.entered_ns, report.left_ns
        account.blocked_ns = min(worker.blocked_ns, report.starved_ns)
        account.starved_ns = report.starved_ns - account.blocked_ns
        account.serialisation_ns, account.transfer_ns = report.serialisation_ns, report.transfer_ns
        account.cpu_ns = report.total_cpu_ns
        accounts.append(account)
    return accounts


def rows_of(
    reports: Sequence[Report], lanes: Sequence[Lane], visits: Visits, run: Run, names: Named
) -> tuple[LedgerRow, ...]:
    """Return the stages' part of the ledger: a row per stage, and one for workers that host several."""
    first = len(names.stages) - lanes[-1].stages[1]
    service = service_by_stage(visits, len(names.stages))
    if len(lanes) > 1:
        return tuple(
            stage_row(names.stages[k], accounts_of(reports, lane, k), float(service[k]), run)
            for k, lane in enumerate(lanes, first)
        )
    cpu = CpuSampler.estimate([report.cpu for report in reports], service[first:])
    accounts = accounts_of(reports, lanes[0], first)
    return pooled_rows(
        names.stages, names.pool, accounts, service, run, first=first, cpu_s=[0.0] * first + cpu
    )


def _rows(report: Report) -> tuple[Ints, Ints, Ints, Ints]:
    """Return item, stage, start and end of every visit. Items of a chunk share its time evenly."""
    rows = np.array(report.visits, dtype=np.int64).reshape(-1, 5)
    counts = rows[:, 4]
    item, stage, started, finished = (np.repeat(rows[:, k], counts) for k in range(4))
    place = np.arange(len(item)) - np.repeat(np.cumsum(counts) - counts, counts)
    share, span = np.repeat(counts, counts), finished - started
    return (
        item + place,
        stage,
        started + span * place // share,
        started + span * (place + 1) // share,
    )


def _finished_before(item: Ints, finished: Ints) -> Ints:
    """Return for each visit when the one before it of the same item ended, in the same worker."""
    order = np.argsort(item, kind="stable")  # a worker's visits of an item come in stage order
    before = np.empty_like(finished)
    before[order] = np.roll(finished[order], 1)
    return before


def _joined(parts: Sequence[Visits], name: str) -> Ints:
    return np.concatenate([getattr(part, name) for part in parts])
