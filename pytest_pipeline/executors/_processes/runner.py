"""Runs items through stages inside a worker process, and writes down every visit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from time import perf_counter_ns, process_time_ns
from typing import TYPE_CHECKING, Any

from pytest_pipeline.executors._cpu import CpuSampler
from pytest_pipeline.executors._processes.board import IDLE, Board
from pytest_pipeline.executors._processes.chunk_recorder import ChunkRecorder
from pytest_pipeline.executors._processes.records import Report
from pytest_pipeline.executors._recorder import MOST_VISITS

if TYPE_CHECKING:
    from pytest_pipeline.executors._processes.records import Setup

Failure = tuple[int, int, BaseException]
"""(item, stage, error)."""


class Runner:
    """The stages of one worker, and its part of the current run's report."""

    def __init__(self, board: Board, setup: Setup) -> None:
        self.stages = range(*setup.stages)
        self.stage = self.stages[0]
        """The stage that was entered last: where an exception comes from."""
        self.report = Report()
        self.worked_ns = self.slowest_ns = 0
        """Time in stages, and the longest visit, since somebody set them to zero."""
        self._fns: Sequence[Callable[[Any], Any]] = ()
        self._collects_errors = False
        self._share = len(self.stages) / setup.workers
        """Of the visits of one stage that are kept, how many may be of this worker."""
        self._cells = board.cells
        self._at = board.offset(setup.slot)

    def load(self, fns: Sequence[Callable[[Any], Any]]) -> None:
        """Take the functions of all the stages of the plan."""
        self._fns = fns

    def receive(self, item: int) -> None:
        """Publish which item, or which chunk by its first, is in hand; no stage has it yet."""
        self._cells[self._at + 1] = item

    def begin(self, *, collects_errors: bool, most_visits: int = MOST_VISITS) -> None:
        """Start the report of a run."""
        self._collects_errors = collects_errors
        sampler = CpuSampler(len(self._fns), process_time_ns)
        recorder = ChunkRecorder(max(1, int(most_visits * self._share)))
        self.report = Report(recorder, sampler, total_cpu_ns=-process_time_ns())

    def one(self, value: Any, item: int) -> Any:
        """Return the output of one item; what a stage raises comes out, and `stage` tells which."""
        for stage in self.stages:
            self.stage = stage
            value = self._visit(self._fns[stage], value, stage, item)
        return value

    def chunk(
        self, values: list[Any], first: int
    ) -> tuple[list[tuple[int, list[Any]]], list[Failure]]:
        """Run consecutive items, a stage at a time; return runs of outputs by first item, and failures.

        A chunk is stamped as a whole, so that an item of a microsecond is not charged for clocks.
        After a failure that ends the run there are no outputs.
        """
        items: Sequence[int] = range(first, first + len(values))
        failures = list[Failure]()
        for stage in self.stages:
            if items:
                items, values = self._sweep(stage, items, values, failures)
            if self._is_over(failures):
                return [], failures
        return list(_runs(items, values)), failures

    def _is_over(self, failures: Sequence[Failure]) -> bool:
        """Return whether the last failure ends the run: collected are exceptions, exits are not."""
        if not failures:
            return False
        return not (self._collects_errors and isinstance(failures[-1][2], Exception))

    def _visit(self, fn: Callable[[Any], Any], value: Any, stage: int, item: int) -> Any:
        cells, at, report = self._cells, self._at, self.report
        is_sampled = report.cpu.takes(item)
        cpu = process_time_ns() if is_sampled else 0
        started = perf_counter_ns()
        cells[at + 1] = item
        cells[at + 2] = started
        cells[at] = stage
        try:
            return fn(value)
        finally:
            finished = perf_counter_ns()
            cells[at] = IDLE
            report.recorder.add((item, stage, 1, started, finished))
            self.worked_ns += finished - started
            self.slowest_ns = max(self.slowest_ns, finished - started)
            if is_sampled:
                report.cpu.add(stage, process_time_ns() - cpu, finished - started)

    def _sweep(
        self, stage: int, items: Sequence[int], values: list[Any], failures: list[Failure]
    ) -> tuple[Sequence[int], list[Any]]:
        """Run one stage over the items; return those that are left, with their outputs."""
        fn, cells, at = self._fns[stage], self._cells, self._at
        outputs, failed = list[Any](), set[int]()
        append, here = outputs.append, at + 1
        is_sampled = self.report.cpu.takes(items[0] // len(items))
        cpu = process_time_ns() if is_sampled else 0
        left = entered = perf_counter_ns()
        done, pieces = 0, list[tuple[Sequence[int], int, int]]()
        while done < len(items) and not self._is_over(failures):
            begin, made = done, len(outputs)
            cells[at + 2] = started = left
            cells[at] = stage
            try:
                for item, value in _from(begin, items, values):
                    cells[here] = item
                    append(fn(value))
                done = len(items)
            except BaseException as error:
                done = begin + len(outputs) - made + 1
                failures.append((items[done - 1], stage, error))
                failed.add(items[done - 1])
            left = perf_counter_ns()
            cells[at] = IDLE
            pieces.append((items[begin:done], started, left))
        for piece, began, ended in pieces:
            self._record(piece, stage, (began, ended), left)
        self.worked_ns += left - entered
        self.slowest_ns = max(self.slowest_ns, left - entered)
        if is_sampled:
            self.report.cpu.add(stage, process_time_ns() - cpu, left - entered)
        if failed:
            items = [item for item in items[:done] if item not in failed]
        return items, outputs

    def _record(
        self, items: Sequence[int], stage: int, span: tuple[int, int], chunk_end: int
    ) -> None:
        """Note a piece of a chunk: the items between two failures, or all of them."""
        count, (started, finished) = len(items), span
        if finished == chunk_end and items[-1] - items[0] + 1 == count:
            self.report.recorder.add((items[0], stage, count, started, finished))
            return
        for k, item in enumerate(items):  # some items of the chunk have failed
            spent = finished - started
            bounds = (started + spent * k // count, started + spent * (k + 1) // count)
            self.report.recorder.add((item, stage, bounds[1] - chunk_end, *bounds))


def _from(begin: int, items: Sequence[int], values: list[Any]) -> Iterator[tuple[int, Any]]:
    """Return the pairs from `begin` on. Not by slices: where all items fail, each failure would copy the rest."""
    if not begin:
        return zip(items, values, strict=True)
    rest = range(begin, len(items))
    return zip(map(items.__getitem__, rest), map(values.__getitem__, rest), strict=True)


def _runs(items: Sequence[int], values: list[Any]) -> Iterator[tuple[int, list[Any]]]:
    """Split at the gaps: (first item, values) of each run of consecutive items."""
    if items and items[-1] - items[0] + 1 == len(items):
        yield items[0], values
        return
    begin = 0
    for k in range(1, len(items) + 1):
        if k == len(items) or items[k] != items[k - 1] + 1:
            yield items[begin], values[begin:k]
            begin = k
