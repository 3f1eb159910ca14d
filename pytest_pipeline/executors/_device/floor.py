"""Stages of one plan on host threads and on devices, joined by bounded hops."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_pipeline.executors._accounts import Account, stage_row
from pytest_pipeline.executors._device.work import Drainer, Feeder, slot_accounts
from pytest_pipeline.executors._floor import Hall
from pytest_pipeline.executors._hops import Hop
from pytest_pipeline.executors._worker import Worker
from pytest_pipeline.model.ledger import LedgerRow
from pytest_pipeline.model.plan import ON_HOST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_pipeline.executors._crew import Job
    from pytest_pipeline.executors._device.execution import DeviceExecution
    from pytest_pipeline.executors._device.lane import Lane
    from pytest_pipeline.executors._intake import ListFeed
    from pytest_pipeline.executors._run import Run
    from pytest_pipeline.executors._sink import Sink
    from pytest_pipeline.model.plan import Plan
    from pytest_pipeline.model.trace import Floats


@dataclass(frozen=True, slots=True)
class Section:
    """One stage on host threads, or neighbouring stages on devices."""

    stages: tuple[int, ...]
    """Indices into the plan's stages."""
    is_on_device: bool
    """Whether they run on a device."""


def sections_of(plan: Plan) -> list[Section]:
    """Cut the plan where it changes between host and device; every host stage stands alone."""
    found: list[Section] = []
    for k, stage in enumerate(plan.stages):
        is_on_device = stage.device != ON_HOST
        if is_on_device and found and found[-1].is_on_device:
            found[-1] = Section((*found[-1].stages, k), is_on_device=True)
        else:
            found.append(Section((k,), is_on_device=is_on_device))
    return found


class DeviceFloor(Hall):
    """Everything between the source and the sink of one run."""

    def __init__(
        self,
        plan: Plan,
        names: tuple[str, ...],
        run: DeviceExecution,
        sink: Sink,
        *,
        feed: ListFeed | None,
        sections: Sequence[Section],
        lanes: Sequence[Sequence[Lane]],
    ) -> None:
        hops = _hops(plan, sections, lanes)
        super().__init__(plan, names, run, sink, feed=feed, hops=hops)
        self._execution = run
        self.jobs: list[Job] = []
        self.accounts: list[Account] = []
        """Of host threads: what they are at when a run times out."""
        self.recording: list[Account] = []
        """Whose recorders hold the visits."""
        self._rows: list[
            tuple[tuple[int, ...], list[Account], Sequence[Lane], Sequence[Account]]
        ] = []
        for number, section in enumerate(sections):
            if section.is_on_device:
                self._add_lanes(number, section, lanes[number])
            else:
                self._add_workers(number, section.stages[0])

    def rows(self, service: Floats, run: Run) -> list[LedgerRow]:
        """Return the ledger: a row per stage, and one for the slots of each device section."""
        found: list[LedgerRow] = []
        for stages, accounts, lanes, hosts in self._rows:
            whole = float(sum(service[k] for k in stages))
            if not lanes:
                found.append(stage_row(self._names[stages[0]], accounts, whole, run))
                continue
            cpu = [sum(lane.stations.cpu_ns[k] for lane in lanes) / 1e9 for k in stages]
            found += [
                LedgerRow(self._names[k], 0, service_s=float(service[k]), cpu_s=each)
                for k, each in zip(stages, cpu, strict=True)
            ]
            pool = f"(slots of {self._names[stages[0]]})"
            rest = max(0.0, sum(each.cpu_ns for each in hosts) / 1e9 - sum(cpu))
            slots = stage_row(pool, accounts, whole, run, cpu_s=rest)
            found.append(replace(slots, service_s=0.0))
        return found

    def _add_workers(self, number: int, k: int) -> None:
        stage, index = self._plan.stages[k], self._first + k
        accounts = [Account(index, slot) for slot in range(stage.workers)]
        for account in accounts:
            intake, outlet = self._intake(number, account), self._outlet(number + 1, account)
            self.jobs.append(
                Worker(
                    stage.fn,
                    self._names[index],
                    self._run,
                    account,
                    intake=intake,
                    outlet=outlet,
                    sink=self._sink,
                )
            )
        self.accounts += accounts
        self.recording += accounts
        self._rows.append(((index,), accounts, (), ()))

    def _add_lanes(self, number: int, section: Section, lanes: Sequence[Lane]) -> None:
        indices = tuple(self._first + k for k in section.stages)
        slots, hosts = list[Account](), list[Account]()
        for place, lane in enumerate(lanes):
            lane.restart()
            self._run.on_stop(lane.stop)
            mine = slot_accounts(lane, place)
            feeding, draining = lane.stations.feeding, Account(indices[-1], 0)
            outlet = self._outlet(number + 1, draining)
            drainer = Drainer(
                lane, self._names, self._run, draining, mine, outlet=outlet, sink=self._sink
            )
            entry = self._intake(number, feeding)
            if lane.is_ahead:
                self.jobs += [Feeder(lane, self._execution, feeding, entry), drainer]
            else:
                self.jobs.append(Feeder(lane, self._execution, feeding, entry, drainer))
            slots += mine
            hosts += [feeding, draining]
        self.accounts += hosts
        self.recording += slots
        self._rows.append((indices, slots, lanes, hosts))


def _hops(plan: Plan, sections: Sequence[Section], lanes: Sequence[Sequence[Lane]]) -> list[Hop]:
    widths = [
        len(lanes[k]) if section.is_on_device else plan.stages[section.stages[0]].workers
        for k, section in enumerate(sections)
    ]
    return [
        Hop(plan.stages[section.stages[0]].queue_size, ([1, *widths])[k], widths[k])
        for k, section in enumerate(sections)
    ]
