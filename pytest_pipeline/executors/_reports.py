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
from pytest_pipeline.model.trace import Visits, make_visits

if TYPE_CHECKING:
    from pytest_pipeline.executors._accounts import VisitRow
    from pytest_pipeline.executors._channel import Frame
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
            rows = np.array(reports[worker.slot].visits, dtype=np.int64).reshape(-1, 4)
            item, stage, started, finished = (np.ascontiguousarray(rows[:, k]) for k in range(4))
            available = item
            if len(rows):
                is_entry = stage == lane.stages[0]
                available = np.where(is_entry, enqueued[item], np.roll(finished, 1))
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
    cpu = cpu_by_stage(reports, first, lanes[0].stages[1])
    accounts = accounts_of(reports, lanes[0], first)
    return pooled_rows(names.stages, names.pool, accounts, service, run, first=first, cpu_s=cpu)


def cpu_by_stage(reports: Sequence[Report], first: int, stages: int) -> list[float]:
    """Return the CPU seconds of each stage, over all the workers."""
    return [0.0] * first + [
        sum(report.cpu_ns[k] for report in reports) / 1e9 for k in range(stages)
    ]


def _joined(parts: Sequence[Visits], name: str) -> Ints:
    return np.concatenate([getattr(part, name) for part in parts])
