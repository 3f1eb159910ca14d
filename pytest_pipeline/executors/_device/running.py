"""An open executor whose stages run on devices and on host threads."""

from __future__ import annotations

import contextlib
import gc
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_pipeline.executors._accounts import SOURCE, Account, share_limit
from pytest_pipeline.executors._assemble import assemble_floor, stage_names
from pytest_pipeline.executors._crew import watch_accounts
from pytest_pipeline.executors._device.diagnosis import diagnose
from pytest_pipeline.executors._device.floor import DeviceFloor, sections_of
from pytest_pipeline.executors._device.lane import Lane
from pytest_pipeline.executors._device.looking import (
    first_section,
    one_slot,
    stage_names_of,
    sync_debug,
)
from pytest_pipeline.executors._device.named import all_devices, thread_names
from pytest_pipeline.executors._device.observed import DeviceWatch
from pytest_pipeline.executors._device.steps import devices_of, make_steps
from pytest_pipeline.executors._device.used import use_of
from pytest_pipeline.executors._device_faults import Demand, explain
from pytest_pipeline.executors._hops import Purse
from pytest_pipeline.executors._intake import ListFeed
from pytest_pipeline.executors._run import Run
from pytest_pipeline.executors._running import RunningOnThreads
from pytest_pipeline.executors._sink import Sink
from pytest_pipeline.executors._source import Pump, admission_gate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_pipeline.executors._device.backend import Backend
    from pytest_pipeline.executors._device.floor import Section
    from pytest_pipeline.model.device import DeviceDiagnosis
    from pytest_pipeline.model.plan import Plan, Source
    from pytest_pipeline.model.trace import Trace


_ONE_BY_ONE = (
    "parts were measured with a copy per item; the execution copies small items in together"
)


class DeviceRun(Run):
    """An execution whose clock stops once the devices are idle."""

    def __init__(self, lanes: Sequence[Lane], *, collects_errors: bool, items_each: int) -> None:
        super().__init__(collects_errors=collects_errors, items_each=items_each)
        self._lanes = lanes

    def end(self) -> None:
        """Wait for the devices, then stop the clock."""
        try:
            for lane in self._lanes:
                lane.synchronize()
        except BaseException as error:
            self.fail(error)
            return
        super().end()


class RunningOnDevices(RunningOnThreads):
    """Host threads that are up, and lanes whose buffers live across runs."""

    def __init__(
        self,
        name: str,
        plan: Plan,
        backend: Backend,
        *,
        devices: tuple[str, ...],
        slots: int,
        is_ahead: bool,
        graphs: bool,
        batch_bytes: int,
    ) -> None:
        self._sections = sections_of(plan)
        self._backend = backend
        self._devices = devices
        self._slots = slots
        self._is_ahead = is_ahead
        self._graphs = graphs
        self._batch_bytes = batch_bytes
        self._lanes: list[list[Lane]] = []
        self._first = 0
        touched = all_devices(plan, self._sections, devices)
        backend.check(touched)
        self._watch = DeviceWatch(backend, touched)
        super().__init__(name, plan, thread_names(name, plan, self._sections, devices))
        self._queue_sizes = sum(stage.queue_size for stage in plan.stages)
        self._workers = self._width(plan)

    def close(self) -> None:
        """End the threads and free the buffers."""
        super().close()
        self._lanes = []
        self._watch.close()

    def diagnose(self, source: Source) -> tuple[DeviceDiagnosis, ...]:
        """Run the first items once more, each alone, through the first section on devices.

        Replicas are not told apart: what the first of them takes stands for all.
        """
        before, stages = first_section(self._plan, self._sections)
        if not stages:
            return ()
        steps = make_steps([(k, self._plan.stages[k]) for k in stages], self._devices[0])
        found = diagnose(
            one_slot(steps, map(before, source.factory()), graphs=self._graphs),
            self._backend,
            devices_of(steps),
            cuda=sync_debug(self._backend),
            stage_of=stage_names_of(steps, self._plan.names),
        )
        if self._batch_bytes:
            found = tuple(replace(each, notes=(*each.notes, _ONE_BY_ONE)) for each in found)
        replicas = [replace(each, device=name) for each in found[:1] for name in self._devices[1:]]
        return (*found, *replicas)

    def _execute(self, source: Source) -> Trace:
        names = stage_names(self._plan, source)
        self._prepare(len(names) - len(self._plan.stages))
        lanes = [lane for section in self._lanes for lane in section]
        for lane in lanes:
            lane.synchronize()
        run = DeviceRun(
            lanes, collects_errors=source.collects_errors, items_each=self._plan.items_each
        )
        self._watch.before()
        try:
            trace = self._run(source, run, names)
            return replace(
                trace,
                devices=self._watch.after(use_of(trace.makespan_s, lanes, self._slots, names)),
            )
        except BaseException as error:
            self._explain(error)
            raise
        finally:
            if run.failed:
                self._drop()

    def _run(self, source: Source, run: Run, names: tuple[str, ...]) -> Trace:
        has_thread = source.is_timed or source.offsets_ns is not None
        takers = 1 if has_thread else self._takers
        gate = admission_gate(source, self._queue_sizes, self._workers, 1, takers)
        sink = Sink(run, gate)
        feed = None if has_thread else ListFeed(source, run, gate, sink, 1)
        floor = DeviceFloor(
            self._plan, names, run, sink, feed=feed, sections=self._sections, lanes=self._lanes
        )
        feeder = Account(SOURCE, 0)
        jobs = list(floor.jobs)
        if has_thread:
            purse = Purse(gate, run, feeder)
            outlet = floor.entrance(feeder)
            jobs.append(Pump(source, run, feeder, gate=purse, outlet=outlet, ends=sink))
        mine = [feeder] if has_thread else []
        share_limit([*floor.recording, *mine])
        self._crew.execute(
            run,
            jobs,
            self._plan.timeout_s,
            sink.wait,
            lambda: watch_accounts([*floor.accounts, *mine], names),
        )
        return assemble_floor(
            self._name,
            names,
            run,
            sink,
            floor=floor,
            recorded=[*floor.recording, *mine],
            source=feeder if source.is_timed else None,
        )

    @property
    def _takers(self) -> int:
        section = self._sections[0]
        return len(self._devices) if section.is_on_device else self._plan.stages[0].workers

    def _width(self, plan: Plan) -> int:
        ring = self._slots * len(self._devices)
        return sum(
            ring if section.is_on_device else plan.stages[section.stages[0]].workers
            for section in self._sections
        )

    def _prepare(self, first: int) -> None:
        """Make the lanes, or make them again when the source became a stage or a run failed."""
        if not self._lanes or first != self._first:
            self._first = first
            self._lanes = [self._lanes_of(section) for section in self._sections]

    def _lanes_of(self, section: Section) -> list[Lane]:
        if not section.is_on_device:
            return []
        stages = [(self._first + k, self._plan.stages[k]) for k in section.stages]
        return [
            Lane(
                self._backend,
                make_steps(stages, device),
                self._slots,
                is_ahead=self._is_ahead,
                graphs=self._graphs,
                batch_bytes=self._batch_bytes,
            )
            for device in self._devices
        ]

    def _explain(self, error: BaseException) -> None:
        """Say what the slots hold when a device's memory was used up, and when a device is lost."""
        slots = [slot for section in self._lanes for lane in section for slot in lane.slots]
        demand = Demand(
            ", ".join(self._devices), len(slots), max((slot.nbytes for slot in slots), default=0)
        )
        is_memory = self._backend.is_out_of_memory(error)
        explain(error, demand, drop=self._drop, is_alive=self._is_alive, is_memory=is_memory)

    def _is_alive(self) -> bool:
        try:
            for device in self._devices:
                self._backend.synchronize(device)
        except Exception:
            return False
        return True

    def _drop(self) -> None:
        """Free every buffer: after a failure nobody knows what still refers to them."""
        self._lanes = []
        gc.collect()
        # A dead context cannot be cleaned, and its own error is on its way.
        with contextlib.suppress(Exception):
            self._backend.empty_cache()
