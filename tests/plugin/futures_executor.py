"""A user's own executor: whole items on a `concurrent.futures` pool. An example to copy.

The comparison gives it the same stages and items as the others, times `run`, and compares outputs.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from pytest_pipeline.model.ledger import Ledger, LedgerRow
from pytest_pipeline.model.plan import Plan, Source
from pytest_pipeline.model.trace import Trace, make_visits

Visit = tuple[int, int, int, int, int, int]


class PoolExecutor:
    """What names it in markers and reports, how wide it is, and how to start it."""

    def __init__(self, workers: int = 4, name: str = "pool") -> None:
        self.name = name
        self._workers = workers

    def workers(self, plan: Plan) -> int:
        return self._workers

    def unavailable(self) -> str | None:
        return None

    def open(self, plan: Plan) -> RunningPool:
        return RunningPool(self, plan, self._workers)


class RunningPool:
    """Threads that are up; `run` may be called many times."""

    abandoned: tuple[str, ...] = ()

    def __init__(self, executor: PoolExecutor, plan: Plan, workers: int) -> None:
        began_s = time.perf_counter()
        self._executor = executor
        self._plan = plan
        self._workers = workers
        self._slots = threading.local()
        self._pool = ThreadPoolExecutor(workers)
        self.startup_s = time.perf_counter() - began_s

    def run(self, source: Source) -> Trace:
        began_ns = time.perf_counter_ns()
        futures = [
            self._pool.submit(self._one, index, item, began_ns)
            for index, item in enumerate(source.factory())
        ]
        try:
            done = [future.result(self._plan.timeout_s) for future in futures]
        except BaseException:
            for future in futures:
                future.cancel()
            raise
        return self._trace(futures, done, began_ns, time.perf_counter_ns())

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _one(self, index: int, value: Any, enqueued_ns: int) -> tuple[Any, list[Visit]]:
        """Take one item through all the stages."""
        slot = threading.get_ident() % self._workers
        visits = []
        for number, stage in enumerate(self._plan.stages):
            started_ns = time.perf_counter_ns()
            try:
                value = stage.fn(value)
            except BaseException as error:
                error.add_note(f"stage {self._plan.names[number]!r}, item {index}")
                raise
            finished_ns = time.perf_counter_ns()
            visits.append((index, number, slot, enqueued_ns, started_ns, finished_ns))
            enqueued_ns = finished_ns
        return value, visits

    def _trace(
        self, futures: list[Future[Any]], done: list[Any], began_ns: int, ended_ns: int
    ) -> Trace:
        visits = [visit for _, each in done for visit in each]
        emitted_ns = np.array([each[-1][5] for _, each in done], dtype=np.int64)
        return Trace(
            executor=self._executor.name,
            stage_names=self._plan.names,
            outputs=[value for value, _ in done],
            began_ns=began_ns,
            ended_ns=ended_ns,
            first_result_ns=int(emitted_ns.min(initial=ended_ns)),
            startup_s=self.startup_s,
            visits=make_visits(visits),
            admitted_ns=np.full(len(futures), began_ns, dtype=np.int64),
            emitted_ns=emitted_ns,
            send_lag_s=np.zeros(0),
            ledger=self._ledger(visits, (ended_ns - began_ns) / 1e9),
        )

    def _ledger(self, visits: list[Visit], makespan_s: float) -> Ledger:
        """Say where the worker time went: stages hosted by one shared pool."""
        rows = []
        for number, name in enumerate(self._plan.names):
            service_s = sum(visit[5] - visit[4] for visit in visits if visit[1] == number) / 1e9
            rows.append(LedgerRow(name, workers=0, service_s=service_s))
        idle_s = self._workers * makespan_s - sum(row.service_s for row in rows)
        rows.append(LedgerRow(f"({self._executor.name})", self._workers, starved_s=idle_s))
        return Ledger(tuple(rows), makespan_s)
