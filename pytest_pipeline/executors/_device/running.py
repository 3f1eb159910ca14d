"""An open executor whose stages run on devices and on host threads."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_pipeline.executors._accounts import SOURCE, Account, share_limit
from pytest_pipeline.executors._assemble import assemble_floor, stage_names
from pytest_pipeline.executors._crew import watch_accounts
from pytest_pipeline.executors._device.diagnosis import diagnose
from pytest_pipeline.executors._device.execution import DeviceExecution
from pytest_pipeline.executors._device.faults import explain
from pytest_pipeline.executors._device.floor import DeviceFloor, sections_of
from pytest_pipeline.executors._device.looking import (
    first_section,
    one_slot,
    stage_names_of,
    sync_debug,
)
from pytest_pipeline.executors._device.named import all_devices, thread_names
from pytest_pipeline.executors._device.observed import DeviceWatch
from pytest_pipeline.executors._device.poison import keep_for_ever, poisoned
from pytest_pipeline.executors._device.rings import Rings
from pytest_pipeline.executors._device.steps import devices_of, make_steps
from pytest_pipeline.executors._device.used import use_of
from pytest_pipeline.executors._hops import Purse
from pytest_pipeline.executors._intake import ListFeed
from pytest_pipeline.executors._running import RunningOnThreads
from pytest_pipeline.executors._sink import Sink
from pytest_pipeline.executors._source import Pump, admission_gate

if TYPE_CHECKING:
    from pytest_pipeline.executors._device.backend import Backend
    from pytest_pipeline.model.device import DeviceDiagnosis
    from pytest_pipeline.model.plan import Plan, Source
    from pytest_pipeline.model.trace import Trace


_ONE_BY_ONE = (
    "parts were measured with a copy per item; the execution copies small items in together"
)


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
        self._graphs = graphs
        self._batch_bytes = batch_bytes
        self._rings = Rings(
            backend,
            plan,
            self._sections,
            devices=devices,
            slots=slots,
            is_ahead=is_ahead,
            graphs=graphs,
            batch_bytes=batch_bytes,
        )
        touched = all_devices(plan, self._sections, devices)
        backend.check(touched)
        self._watch = DeviceWatch(backend, touched)
        threads = thread_names(name, plan, self._sections, devices, is_ahead=is_ahead)
        super().__init__(name, plan, threads)
        self._queue_sizes = sum(stage.queue_size for stage in plan.stages)
        self._workers = self._width(plan)

    def close(self) -> None:
        """End the threads and free the buffers."""
        super().close()
        self._rings.close(is_busy=bool(self.abandoned))
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
        self._rings.prepare(len(names) - len(self._plan.stages))
        self._watch.before()
        # No lane is known to this frame: an error keeps it alive, and with it what the lanes hold.
        try:
            trace = self._run(source, names)
            use = use_of(trace.makespan_s, self._rings.lanes, self._slots, names)
            return replace(trace, devices=self._watch.after(use))
        except BaseException as error:
            self._explain(error)
            if poisoned() is not None:
                keep_for_ever((error, _items_of(source)))
            self._drop()
            raise

    def _run(self, source: Source, names: tuple[str, ...]) -> Trace:
        rings = self._rings
        run = DeviceExecution(
            rings.synchronize,
            feeders=len(rings.lanes),
            timeout_s=self._plan.timeout_s,
            collects_errors=source.collects_errors,
            items_each=self._plan.items_each,
        )
        has_thread = source.may_wait
        takers = 1 if has_thread else self._takers
        gate = admission_gate(source, self._queue_sizes, self._workers, 1, takers)
        sink = Sink(run, gate)
        feed = None if has_thread else ListFeed(source, run, gate, sink, 1)
        floor = DeviceFloor(
            self._plan, names, run, sink, feed=feed, sections=self._sections, lanes=rings.by_section
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

    def _explain(self, error: BaseException) -> None:
        """Say what the slots hold when a device's memory was used up, and when a device is lost."""
        is_memory = self._backend.is_out_of_memory(error)
        rings = self._rings
        explain(
            error, rings.demand(), drop=self._drop, is_alive=rings.is_alive, is_memory=is_memory
        )

    def _drop(self) -> None:
        self._rings.drop(is_busy=bool(self.abandoned))


def _items_of(source: Source) -> list[Any]:
    """Return the items, where they lie in memory: page-locked ones that a lost device has copied must not be freed.

    Those of a callable are held by the frames of the error, as far as they were under way.
    """
    if not (source.is_timed or source.is_lazy):
        with contextlib.suppress(Exception):
            return list(source.factory())
    return []
