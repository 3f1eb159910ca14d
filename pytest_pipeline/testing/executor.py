"""Executors on virtual time: the functions run, their times are computed."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from pytest_pipeline.errors import add_note
from pytest_pipeline.model.ledger import Ledger, LedgerRow
from pytest_pipeline.model.plan import Plan, Source
from pytest_pipeline.model.trace import MOST_FAILURES, ItemFailure, Trace, make_visits
from pytest_pipeline.testing.machine import FakeMachine


class VirtualExecutor:
    """Runs stages for real and their times on paper.

    With `overlaps=False` it is a serial loop. `locked` names stages that only one worker can be in
    at a time, whatever was declared. `slowdown(execution)` scales the makespan of that execution.
    `cpu_share` (0-1) is the part of the service that computes, for all the stages or by name. Starting
    takes `startup_s` virtual seconds. `unavailable` is the cause for which it cannot run here.
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
        """Run every stage on every item, then lay the visits out in virtual time.

        Raises what a stage raises, with a note naming stage and item; collected errors are counted instead.
        """
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
                if self._plan.items_each == 1:  # else the step has noted items of the source
                    add_note(error, f"stage {name!r}, item {index}")
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
        done = _came_out(visits, last, {failure.item for failure in failures})
        emitted = [began + done[item] if item in done else 0 for item in range(len(ends))]
        makespan = max((visit[5] for visit in visits), default=0)
        clock.advance(makespan / 1e9)
        moved = [(i, s, w, began + a, began + b, began + c) for i, s, w, a, b, c in visits]
        return Trace(
            executor=executor.name,
            stage_names=self._plan.names,
            outputs=[end for end in ends if not isinstance(end, ItemFailure)],
            began_ns=began,
            ended_ns=began + makespan,
            first_result_ns=began + min(done.values(), default=makespan),
            startup_s=self.startup_s,
            visits=make_visits(moved),
            admitted_ns=np.array(arrivals, dtype=np.int64) + began,
            emitted_ns=np.array(emitted, dtype=np.int64),
            send_lag_s=np.zeros(len(arrivals) if is_open else 0),
            ledger=self._ledger(visits, makespan / 1e9),
            failures=tuple(failures[:MOST_FAILURES]),
            failed_items=tuple(failure.item for failure in failures),
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


def _came_out(visits: list[_Visit], last: int, failed: set[int]) -> dict[int, int]:
    """Return when the items that did not fail left the last stage."""
    return {
        item: finished
        for item, stage, *_, finished in visits
        if stage == last and item not in failed
    }


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
