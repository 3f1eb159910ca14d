"""From what worker processes report at the end of a run to visits and accounts."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_pipeline.executors._accounts import Account, pooled_rows, stage_row
from pytest_pipeline.executors._cpu import CpuSampler
from pytest_pipeline.executors._processes.chunk_recorder import chunk_ends
from pytest_pipeline.executors._recorder import added, sample_of
from pytest_pipeline.model.trace import Visits

if TYPE_CHECKING:
    from pytest_pipeline.executors._processes.frames import Frame
    from pytest_pipeline.executors._processes.lanes import Lane
    from pytest_pipeline.executors._processes.records import Report
    from pytest_pipeline.executors._recorder import Recorder
    from pytest_pipeline.executors._run import Run
    from pytest_pipeline.model.ledger import LedgerRow
    from pytest_pipeline.model.trace import Floats, Ints, Sample


_NOTHING = np.zeros((2, 0), dtype=np.int64)


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


class Gathered:
    """What source and workers recorded in one run, all of it on the same sample of the items."""

    def __init__(
        self, reports: Sequence[Report], lanes: Sequence[Lane], feeder: Recorder, stages: int
    ) -> None:
        """Take what came back; `stages` counts the source when it is timed."""
        self._first = stages - lanes[-1].stages[1]
        recorders = [feeder, *(report.recorder for report in reports)]
        for recorder in [*recorders, *(lane.arrivals for lane in lanes)]:
            recorder.finish()
        thresholds = [each.threshold for each in (*recorders, *(lane.arrivals for lane in lanes))]
        self._threshold = min(thresholds)
        self._num_visits = sum(int(recorder.counts.sum()) for recorder in recorders)
        self.service_s = _service_s(feeder, reports, self._first, stages)
        """Exact seconds inside each stage, kept visits or not."""
        parts, emitted = [_source_visits(feeder.table(self._threshold))], [_NOTHING]
        for lane in lanes:
            arrivals = lane.arrivals.table(self._threshold)
            arrivals = arrivals[np.argsort(arrivals[:, 0], kind="stable")]
            for slot, worker in enumerate(lane.workers):
                rows = reports[worker.slot].recorder.table(self._threshold)
                parts.append(self._visits(rows, slot, lane.stages[0], arrivals))
                last = rows[rows[:, 1] == lanes[-1].last_stage]
                emitted.append(np.stack([last[:, 0], chunk_ends(last)]))
        self.emitted: Ints = np.concatenate(emitted, axis=1)
        """Kept items, and when the last one of their chunk was through the last stage; shape (2, items)."""
        self.visits = Visits(*(_joined(parts, name) for name in Visits.__dataclass_fields__))

    def sample(self, num_items: int) -> Sample | None:
        """Return which of the items were kept; None when all were."""
        return sample_of(self._threshold, num_items, self._num_visits)

    def _visits(self, rows: Ints, slot: int, entry: int, arrivals: Ints) -> Visits:
        """Return one worker's visits.

        An item is enqueued for a lane's first stage when the parent had it, and for any other one
        when the stage before it has finished in the same worker.
        """
        item, stage, _, started, finished = (np.ascontiguousarray(rows[:, k]) for k in range(5))
        enqueued = item
        if len(item):
            arrived = arrivals[np.searchsorted(arrivals[:, 0], item), 3]
            enqueued = np.where(stage == entry, arrived, _finished_before(item, finished))
        slots = np.full_like(item, slot)
        return Visits(item, stage + self._first, slots, enqueued, started, finished)


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
    reports: Sequence[Report], lanes: Sequence[Lane], service: Floats, run: Run, names: Named
) -> tuple[LedgerRow, ...]:
    """Return the stages' part of the ledger: a row per stage, and one for workers that host several.

    `service` is in seconds, by index of the trace.
    """
    first = len(names.stages) - lanes[-1].stages[1]
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


def _service_s(feeder: Recorder, reports: Sequence[Report], first: int, stages: int) -> Floats:
    service = added(np.zeros(stages, dtype=np.int64), feeder.service_ns)
    for report in reports:
        service[first:] = added(service[first:], report.recorder.service_ns)
    return np.asarray(service / 1e9, dtype=np.float64)


def _source_visits(rows: Ints) -> Visits:
    item, stage, enqueued, started, finished = (np.ascontiguousarray(rows[:, k]) for k in range(5))
    return Visits(item, stage, np.zeros_like(item), enqueued, started, finished)


def _finished_before(item: Ints, finished: Ints) -> Ints:
    """Return for each visit when the one before it of the same item ended, in the same worker."""
    order = np.argsort(item, kind="stable")  # a worker's visits of an item come in stage order
    before = np.empty_like(finished)
    before[order] = np.roll(finished[order], 1)
    return before


def _joined(parts: Sequence[Visits], name: str) -> Ints:
    return np.concatenate([getattr(part, name) for part in parts])
