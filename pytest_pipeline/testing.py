"""A fake machine and executors on virtual time: test gates, plugins and stages without waiting.

Stage functions call `machine.work(seconds)` instead of taking time. The virtual executors run the
functions for real (outputs, exceptions and modified items are genuine) and compute when each visit
would have happened with the declared workers; the fake clock then moves by the makespan.
"""

from __future__ import annotations

import contextlib
import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar

import numpy as np

from pytest_pipeline.clock import FakeClock
from pytest_pipeline.executors.protocol import Executor
from pytest_pipeline.measure.control import ControlMonitor
from pytest_pipeline.measure.heartbeat import Gap
from pytest_pipeline.measure.load import Load
from pytest_pipeline.measure.machine import Usage
from pytest_pipeline.measure.sampler import Meter
from pytest_pipeline.model.environment import Environment
from pytest_pipeline.model.memory import MemoryReading
from pytest_pipeline.model.plan import Plan, Source
from pytest_pipeline.model.rounds import KERNEL_S
from pytest_pipeline.model.trace import (
    MOST_FAILURES,
    ItemFailure,
    Ledger,
    LedgerRow,
    Trace,
    make_visits,
)

AT_REST_BYTES = 50_000_000

T = TypeVar("T")


class FakeMachine:
    """A machine whose time is virtual and whose neighbours are scripted.

    `neighbour(now_s)` returns the factor by which the parallel control is slowed at that moment
    (1 = idle), `crowd(now_s)` the one for every control, as when all the cores are shared; `cores`
    is what the control kernel shows as its own parallel speedup, `waiting` the share of the time in
    which the arms are ready and have no core. `usage(now_s)` returns the system's counters;
    `gaps(from_s, to_s)` returns the spans (start and end, seconds) in which a heartbeat would have
    found no core. `turbo` is how much faster a lone core runs; `load` replaces the spinners that tell
    that from a neighbour (by default they work). `gil_shares` is what the probe of the GIL would
    have seen, per stage (None: an interpreter without a GIL).
    """

    def __init__(
        self,
        *,
        neighbour: Callable[[float], float] | None = None,
        crowd: Callable[[float], float] | None = None,
        cores: float = 2.0,
        waiting: float = 0.0,
        usage: Callable[[float], Usage] | None = None,
        gaps: Callable[[float, float], Sequence[tuple[float, float]]] | None = None,
        turbo: float = 1.0,
        load: Load | None = None,
        gil_shares: Mapping[str, float] | None = MappingProxyType({}),
    ) -> None:
        self._clock = FakeClock()
        self._neighbour = neighbour or (lambda _: 1.0)
        self._crowd = crowd or (lambda _: 1.0)
        self._cores = cores
        self._usage = usage or self._waits(waiting)
        self._gaps = gaps
        self._turbo = turbo
        self._load = load or _FakeLoad(self)
        self.is_loaded = False
        self._gil_shares = gil_shares
        self._monitors: dict[int, ControlMonitor] = {}
        self.worked_s = 0.0
        self.running = ""
        self._held = 0

    @property
    def clock(self) -> FakeClock:
        """The virtual time."""
        return self._clock

    def work(self, seconds: float) -> None:
        """Pretend that the calling stage takes `seconds`."""
        self.worked_s += seconds

    def monitor(self, executor: Executor, width: int) -> ControlMonitor:
        """Return the monitor of a scripted control kernel."""
        if width not in self._monitors:
            control = _FakeControl(self, width)
            self._monitors[width] = ControlMonitor(control, executor.name, self._load)
        return self._monitors[width]

    def usage(self) -> Usage:
        """Report the scripted counters; by default an idle machine's, but for what the arms waited."""
        return self._usage(self._clock.now_ns() / 1e9)

    def _waits(self, share: float) -> Callable[[float], Usage]:
        return lambda now_s: Usage(
            own_cpu_s=0.0, machine_cpu_s=0.0, throttled=0, waited_s=share * now_s
        )

    def heartbeat(self, threshold_s: float) -> _FakeHeartbeat | None:
        """Return a heartbeat with the scripted gaps; None when none are scripted."""
        if self._gaps is None:
            return None
        return _FakeHeartbeat(self._clock, self._gaps, threshold_s, self._clock.now_ns())

    def hold(self, num_bytes: int) -> None:
        """Pretend that the calling stage holds so many bytes for a moment."""
        self._held = max(self._held, num_bytes)

    @contextlib.contextmanager
    def memory_meter(self) -> Iterator[Meter]:
        """Yield a meter that reads what stages say they hold."""
        yield self._memory_during

    def _memory_during(self, execute: Callable[[], T], /) -> tuple[T, MemoryReading]:
        """Return what `execute` returns, and the most that a stage held meanwhile."""
        self._held = 0
        result = execute()
        reading = MemoryReading(AT_REST_BYTES, AT_REST_BYTES + self._held, 10, 0.01, "PSS")
        return result, reading

    def environment(self) -> Environment:
        """Describe the pretended machine."""
        return Environment(
            cpu="virtual",
            cores_logical=2,
            cores_usable=2,
            cpu_quota=None,
            memory_bytes=2**33,
            system="virtual",
            python="virtual",
            gil=self._gil_shares is not None,
            packages={},
        )

    def gil_shares(
        self,
        execute: Callable[[], Trace],  # noqa: ARG002 - the contract asks for it
        makespan_s: float,  # noqa: ARG002 - the same
    ) -> Mapping[str, float] | None:
        """Return what was scripted, without executing anything."""
        return self._gil_shares

    def control_s(self, width: int, *, parallel: bool) -> float:
        """Return the pretended control time now, and let it pass."""
        speedup = min(float(width), self._cores)
        seconds = KERNEL_S * width / speedup if parallel else KERNEL_S * width
        seconds *= self._crowd(self._clock.now_ns() / 1e9)
        if parallel:
            seconds *= self._neighbour(self._clock.now_ns() / 1e9)
        elif not self.is_loaded:
            seconds /= self._turbo
        self._clock.advance(seconds)
        return seconds


@dataclass(frozen=True, slots=True)
class _FakeControl:
    machine: FakeMachine
    width: int

    def parallel_s(self) -> float:
        return self.machine.control_s(self.width, parallel=True)

    def serial_s(self) -> float:
        return self.machine.control_s(self.width, parallel=False)

    def close(self) -> None:
        return


@dataclass(frozen=True, slots=True)
class _FakeLoad:
    machine: FakeMachine

    def start(self, spinners: int) -> str:  # noqa: ARG002 - the contract asks for it
        return ""

    def spin(self) -> None:
        self.machine.is_loaded = True

    def rest(self) -> None:
        self.machine.is_loaded = False

    def stop(self, core_seconds: float) -> str:  # noqa: ARG002 - the contract asks for it
        return ""


@dataclass(slots=True)
class _FakeHeartbeat:
    clock: FakeClock
    script: Callable[[float, float], Sequence[tuple[float, float]]]
    threshold_s: float
    asked_ns: int

    def gaps(self) -> list[Gap]:
        since_ns, self.asked_ns = self.asked_ns, self.clock.now_ns()
        found = self.script(since_ns / 1e9, self.asked_ns / 1e9)
        return [
            (round(began * 1e9), round(ended * 1e9))
            for began, ended in found
            if ended - began > self.threshold_s
        ]

    def close(self) -> None:
        return


class VirtualExecutor:
    """Runs stages for real and their times on paper.

    With `overlaps=False` it is a serial loop. `locked` names stages that only one worker can be in
    at a time, whatever was declared. `slowdown(execution)` scales the makespan of that execution.
    `cpu_share` is the part of the service that computes, for all the stages or by name.
    """

    def __init__(
        self,
        name: str,
        machine: FakeMachine,
        *,
        overlaps: bool = True,
        locked: Sequence[str] = (),
        slowdown: Callable[[int], float] | None = None,
        startup_s: float = 0.0,
        cpu_share: float | Mapping[str, float] = 0.0,
        unavailable: str | None = None,
    ) -> None:
        self._name = name
        self.machine = machine
        self.overlaps = overlaps
        self.locked = tuple(locked)
        self.slowdown = slowdown or (lambda _: 1.0)
        self.startup_s = startup_s
        self.cpu_share = cpu_share
        self._cause = unavailable
        self.executions = 0
        self.opened = 0

    @property
    def name(self) -> str:
        """The arm's name."""
        return self._name

    def workers(self, plan: Plan) -> int:
        """Return the declared worker slots, or 1 for the serial loop."""
        return plan.total_workers if self.overlaps else 1

    def unavailable(self) -> str | None:
        """Return the scripted cause."""
        return self._cause

    def open(self, plan: Plan) -> VirtualRunning:
        """Pretend to start workers."""
        self.opened += 1
        self.machine.clock.advance(self.startup_s)
        return VirtualRunning(self, plan)


class VirtualRunning:
    """Virtual workers that are up."""

    def __init__(self, executor: VirtualExecutor, plan: Plan) -> None:
        self._executor = executor
        self._plan = plan
        self.startup_s = executor.startup_s
        self.abandoned: tuple[str, ...] = ()

    def run(self, source: Source) -> Trace:
        """Run every stage on every item, then lay the visits out in virtual time."""
        executor = self._executor
        executor.machine.running = executor.name
        service, ends = self._service(source)
        scale = executor.slowdown(executor.executions)
        executor.executions += 1
        arrivals = list(source.offsets_ns or [0] * len(service))
        ns = [[round(seconds * scale * 1e9) for seconds in row] for row in service]
        layout = self._staged(ns, arrivals) if executor.overlaps else _serial(ns, arrivals)
        return self._trace(layout, ends, arrivals, is_open=source.offsets_ns is not None)

    def close(self) -> None:
        """Do nothing: there are no workers."""

    def _service(self, source: Source) -> tuple[list[list[float]], list[object]]:
        """Return per item the seconds of its visits, and its output or its failure."""
        rows: list[list[float]] = []
        ends = []
        for index, item in enumerate(source.factory()):
            rows.append([])
            ends.append(self._through(item, index, rows[-1], collects=source.collects_errors))
        return rows, ends

    def _through(self, item: object, index: int, row: list[float], *, collects: bool) -> object:
        machine, value = self._executor.machine, item
        for name, stage in zip(self._plan.names, self._plan.stages, strict=True):
            before = machine.worked_s
            try:
                value = stage.fn(value)
            except BaseException as error:
                if collects and isinstance(error, Exception):
                    return ItemFailure(index, name, f"{type(error).__name__}: {error}")
                error.add_note(f"stage {name!r}, item {index}")
                raise
            finally:
                row.append(machine.worked_s - before)
        return value

    def _staged(self, service_ns: list[list[int]], arrivals: list[int]) -> list[_Visit]:
        """First come, first served through stages with room for everything between them."""
        visits: list[_Visit] = []
        ready = sorted((at, item) for item, at in enumerate(arrivals))
        for number, (name, stage) in enumerate(
            zip(self._plan.names, self._plan.stages, strict=True)
        ):
            free = [(0, slot) for slot in range(stage.workers)]
            unlocked, following = 0, []
            for at, item in ready:
                available, slot = heapq.heappop(free)
                start = max(at, available)
                # Waiting for a lock happens inside the stage function: it counts as service.
                inside = max(start, unlocked) if name in self._executor.locked else start
                unlocked = end = inside + service_ns[item][number]
                heapq.heappush(free, (end, slot))
                visits.append((item, number, slot, at, start, end))
                if number + 1 < len(service_ns[item]):
                    following.append((end, item))
            ready = sorted(following)
        return visits

    def _trace(
        self, visits: list[_Visit], ends: list[object], arrivals: list[int], *, is_open: bool
    ) -> Trace:
        executor = self._executor
        clock = executor.machine.clock
        began = clock.now_ns()
        last = len(self._plan.stages) - 1
        failures = [end for end in ends if isinstance(end, ItemFailure)]
        failed = tuple(failure.item for failure in failures)
        done = {visit[0]: visit[5] for visit in visits if visit[1] == last}
        emitted = [
            began + done[i] if i in done and i not in failed else 0 for i in range(len(ends))
        ]
        makespan = max((visit[5] for visit in visits), default=0)
        clock.advance(makespan / 1e9)
        moved = [(i, s, w, began + a, began + b, began + c) for i, s, w, a, b, c in visits]
        return Trace(
            executor=executor.name,
            stage_names=self._plan.names,
            outputs=[end for end in ends if not isinstance(end, ItemFailure)],
            began_ns=began,
            ended_ns=began + makespan,
            first_result_ns=began + min(done.values(), default=0),
            startup_s=self.startup_s,
            visits=make_visits(moved),
            admitted_ns=np.array(arrivals, dtype=np.int64) + began,
            emitted_ns=np.array(emitted, dtype=np.int64),
            send_lag_s=np.zeros(len(arrivals) if is_open else 0),
            ledger=self._ledger(visits, makespan / 1e9),
            failures=tuple(failures[:MOST_FAILURES]),
            failed_items=failed,
        )

    def _ledger(self, visits: list[_Visit], makespan_s: float) -> Ledger:
        rows = []
        for index, (name, stage) in enumerate(
            zip(self._plan.names, self._plan.stages, strict=True)
        ):
            service = sum(v[5] - v[4] for v in visits if v[1] == index) / 1e9
            workers = stage.workers if self._executor.overlaps else int(index == 0)
            rows.append(
                LedgerRow(
                    name,
                    workers,
                    service_s=service,
                    starved_s=workers * makespan_s - service,
                    cpu_s=service * max(1e-9, self._cpu_share(name)),  # zero would mean unknown
                )
            )
        return Ledger(tuple(rows), makespan_s)

    def _cpu_share(self, stage: str) -> float:
        share = self._executor.cpu_share
        return share if isinstance(share, int | float) else share[stage]


_Visit = tuple[int, int, int, int, int, int]
"""(item, stage, worker, enqueued_ns, started_ns, finished_ns), from the start of the execution."""


def _serial(service_ns: list[list[int]], arrivals: list[int]) -> list[_Visit]:
    now, visits = 0, []
    for item, row in enumerate(service_ns):
        ready = arrivals[item]
        now = max(now, ready)
        for stage, length in enumerate(row):
            visits.append((item, stage, 0, ready, now, now + length))
            now += length
            ready = now
    return visits
