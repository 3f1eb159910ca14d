"""Processes: workers that run all the stages on an item, or a pool of them per stage."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Literal

from pytest_pipeline.cores import usable_cores
from pytest_pipeline.errors import UsageError
from pytest_pipeline.executors._processes.fleet import RunningProcesses
from pytest_pipeline.executors._processes.forking import refuse_unsafe_fork
from pytest_pipeline.executors._processes.records import Roster
from pytest_pipeline.model.units import optional_whole_number

if TYPE_CHECKING:
    from pytest_pipeline.model.plan import Plan

StartMethod = Literal["forkserver", "spawn", "fork"]
Layout = Literal["fused", "staged"]


class Processes:
    """Run the plan in worker processes.

    `layout="fused"`: each of `workers` processes (by default one per usable core) runs all the
    stages on an item. `layout="staged"`: `Stage.workers` processes per stage, joined through the
    caller's process. `chunk` items travel in one message, instead of `Stage.chunk`, which pays when they
    take microseconds: an item's latency is then that of its chunk. With arrivals at a rate the chunk is
    always 1, with few items in flight it is cut so that every worker gets one.
    Arrays of 64 KiB and more travel through shared memory; with `view=True` stages and caller get
    them as views of it instead of copies: for those that read an array and let it go.
    Processes start by forkserver, by spawn on Windows; `start_method="fork"` is faster to start,
    and refused in a process that has threads or CUDA.

    Raises `UsageError` for another layout or start method, for `workers` of the staged layout, and for
    counts below 1.
    """

    ships_stages = True
    """Stages run in other processes: what they would note in this one is lost."""

    def __init__(
        self,
        name: str = "processes",
        workers: int | None = None,
        start_method: StartMethod | None = None,
        layout: Layout = "fused",
        *,
        chunk: int | None = None,
        view: bool = False,
    ) -> None:
        if layout not in {"fused", "staged"}:
            raise UsageError(f'Processes(layout={layout!r}): expected "fused" or "staged"')
        if workers is not None and layout == "staged":
            raise UsageError(
                'Processes(workers=...) sizes the fused pool: leave layout="staged" out, or write Stage(fn, workers=...)'
            )
        if start_method not in {None, "forkserver", "spawn", "fork"}:
            raise UsageError(
                f'Processes(start_method={start_method!r}): expected "forkserver", "spawn" or "fork"'
            )
        self._name = name
        self._workers = optional_whole_number(workers, what="Processes: workers")
        self._start_method = start_method
        self._layout: Layout = layout
        self._chunk = optional_whole_number(chunk, what="Processes: chunk")
        self._is_view = view

    def __repr__(self) -> str:
        return (
            f"Processes(name={self._name!r}, workers={self._workers!r}, start_method={self._start_method!r}, "
            f"layout={self._layout!r}, chunk={self._chunk!r}, view={self._is_view!r})"
        )

    @property
    def name(self) -> str:
        """The arm's name."""
        return self._name

    def workers(self, plan: Plan) -> int:
        """Return the worker processes."""
        if self._layout == "staged":
            return plan.total_workers
        return usable_cores() if self._workers is None else self._workers

    def with_workers(self, workers: int) -> Processes:
        """Return the same arm with a fused pool of `workers`; staged pools take `Stage.workers`."""
        if self._layout == "staged":
            return self
        return Processes(
            self._name, workers, self._start_method, chunk=self._chunk, view=self._is_view
        )

    def unavailable(self) -> str | None:
        """Return None: every supported platform starts processes."""
        return None

    def open(self, plan: Plan) -> RunningProcesses:
        """Pickle the stages, then start the workers; `ShippingError` comes before any has started.

        Raises `UsageError` for `start_method="fork"` in a process that has threads or CUDA, and `OSError`
        with the remedy when the process runs out of file descriptors.
        """
        if self._start_method == "fork":
            refuse_unsafe_fork()
        roster = Roster(self._posts(plan), self._is_view)
        chunk = plan.chunk if self._chunk is None else -(-self._chunk // plan.items_each)
        try:
            return RunningProcesses(self._name, plan, roster, self._start_method, chunk)
        except OSError as error:
            if error.errno not in {errno.EMFILE, errno.ENFILE}:
                raise
            raise OSError(
                error.errno,
                f"{error.strerror}: {len(roster.stages)} worker processes need about six descriptors each; "
                "next: fewer workers, or a higher limit (ulimit -n)",
            ) from error

    def _posts(self, plan: Plan) -> tuple[tuple[int, int], ...]:
        if self._layout == "fused":
            return ((0, len(plan.stages)),) * self.workers(plan)
        return tuple((k, k + 1) for k, s in enumerate(plan.stages) for _ in range(s.workers))
