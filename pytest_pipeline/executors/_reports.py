"""From what worker processes report at the end of a run to visits and accounts."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pytest_pipeline.executors._accounts import Account
from pytest_pipeline.model.trace import Visits, make_visits

if TYPE_CHECKING:
    from pytest_pipeline.executors._accounts import VisitRow
    from pytest_pipeline.executors._channel import Frame
    from pytest_pipeline.executors._records import Report
    from pytest_pipeline.model.trace import Ints


def read_reports(frames: Sequence[Frame]) -> list[Report]:
    """Return the workers' reports, by slot."""
    return [pickle.loads(frame.body) for frame in frames]


def visits_of(
    reports: Sequence[Report], enqueued_ns: Sequence[int], first: int, source_visits: list[VisitRow]
) -> Visits:
    """Return all the visits; `first` is the index of the first stage in the trace.

    An item is enqueued for the first stage when the parent had it, and for any other one when
    the stage before it has finished in the same worker.
    """
    enqueued = np.array(enqueued_ns, dtype=np.int64)
    parts = [make_visits(source_visits)]
    for slot, report in enumerate(reports):
        rows = np.array(report.visits, dtype=np.int64).reshape(-1, 4)
        item, stage, started, finished = (np.ascontiguousarray(rows[:, k]) for k in range(4))
        available = (
            np.where(stage == 0, enqueued[item], np.roll(finished, 1)) if len(rows) else item
        )
        parts.append(
            Visits(item, stage + first, np.full_like(item, slot), available, started, finished)
        )
    return Visits(*(_joined(parts, name) for name in Visits.__dataclass_fields__))


def accounts_of(reports: Sequence[Report], stage: int) -> list[Account]:
    """Return the workers' accounts."""
    accounts = []
    for slot, report in enumerate(reports):
        account = Account(stage, slot)
        account.entered_ns, account.left_ns = report.entered_ns, report.left_ns
        account.starved_ns = report.starved_ns
        account.serialisation_ns, account.transfer_ns = report.serialisation_ns, report.transfer_ns
        account.cpu_ns = report.total_cpu_ns
        accounts.append(account)
    return accounts


def cpu_by_stage(reports: Sequence[Report], first: int, stages: int) -> list[float]:
    """Return the CPU seconds of each stage, over all the workers."""
    return [0.0] * first + [
        sum(report.cpu_ns[k] for report in reports) / 1e9 for k in range(stages)
    ]


def _joined(parts: Sequence[Visits], name: str) -> Ints:
    return np.concatenate([getattr(part, name) for part in parts])
