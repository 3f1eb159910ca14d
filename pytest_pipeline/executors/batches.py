"""Batches under any executor: a plan with batched stages runs as a plan of whole batches.

What travels is a `Chunk` of consecutive items, cut at the source at multiples of `Plan.full_batch`.
A batched stage gets slices of it, any other stage its items one by one. So an item meets the same
neighbours in every arm, the serial baseline included, and only the last batch may be short: outputs
are equal without a tolerance, and an executor needs to know nothing of batches.

When arrivals come at a rate, a chunk waits until it is full, however long that takes, and an item's
latency counts from its own intended start. Nothing but the end of the items ends a chunk early: a time
limit would decide anew in every execution who shares a batch with whom.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_pipeline.executors._places import note_place
from pytest_pipeline.executors._steps import Chunk, Step
from pytest_pipeline.executors.protocol import Diagnosable
from pytest_pipeline.model.plan import SOURCE_STAGE, Plan, Source
from pytest_pipeline.model.trace import MOST_FAILURES, Ints, ItemFailure, Sample, Trace

if TYPE_CHECKING:
    from pytest_pipeline.executors.protocol import Executor, Running
    from pytest_pipeline.model.device import DeviceDiagnosis


def open_plan(executor: Executor, plan: Plan) -> Running:
    """Start the workers of `executor` on `plan`, batched or not; raises what its `open` raises.

    An executor with a true `makes_batches` opens a batched plan by itself.
    """
    if not plan.is_batched or getattr(executor, "makes_batches", False):
        return executor.open(plan)
    inner = executor.open(_in_chunks(plan))
    if isinstance(inner, Diagnosable):
        return DiagnosableBatches(inner, inner, plan.full_batch)
    return RunningBatches(inner, plan.full_batch)


class RunningBatches:
    """Workers that are up and hold a plan of chunks; items go in, and their outputs come out."""

    def __init__(self, inner: Running, size: int) -> None:
        self._inner = inner
        self._size = size

    @property
    def startup_s(self) -> float:
        """Seconds that `open` took."""
        return self._inner.startup_s

    @property
    def abandoned(self) -> tuple[str, ...]:
        """Names of worker threads that hung and could not be ended."""
        return self._inner.abandoned

    def run(self, source: Source) -> Trace:
        """Execute the plan once over `source`; the trace is one of items in chunks."""
        return _of_items(self._inner.run(_chunked(source, self._size)), source, self._size)

    def close(self) -> None:
        """End all the workers; harmless when repeated."""
        self._inner.close()


class DiagnosableBatches(RunningBatches):
    """The same on workers that can look into their devices."""

    def __init__(self, inner: Running, devices: Diagnosable, size: int) -> None:
        super().__init__(inner, size)
        self._devices = devices

    def diagnose(self, source: Source) -> tuple[DeviceDiagnosis, ...]:
        """Look into the devices with the first chunks; what is told of one item holds for one chunk."""
        chunked, counts = _chunked(source, self._size), list[int]()

        def counted() -> Iterator[Chunk]:
            for chunk in chunked.factory():
                counts.append(chunk.count)
                yield chunk

        found = self._devices.diagnose(replace(chunked, factory=counted))
        return tuple(replace(each, num_items=sum(counts[: each.num_items])) for each in found)


class _Chunks:
    """Cuts an iterator of items. No generator: what the items raise must come out as it is."""

    def __init__(self, source: Source, size: int) -> None:
        self._iterator = source.factory()
        self._collects = source.collects_errors
        self._size = size
        self._first = 0
        self._is_over = False

    def __iter__(self) -> Iterator[Chunk]:
        return self

    def __next__(self) -> Chunk:
        values = list[Any]()
        if not self._is_over:
            try:
                values.extend(islice(self._iterator, self._size))
            except BaseException as error:
                note_place(error, SOURCE_STAGE, self._first + len(values))
                raise
        # A short chunk is the end already: an iterator is not asked again after its end.
        self._is_over |= len(values) < self._size
        if not values:
            raise StopIteration
        first, self._first = self._first, self._first + len(values)
        return Chunk(range(first, self._first), values, len(values), self._collects)


def _in_chunks(plan: Plan) -> Plan:
    size = plan.full_batch
    steps = tuple(
        replace(
            stage,
            fn=Step(stage.fn, name, stage.batch),
            name=stage.label,
            batch=None,
            chunk=-(-stage.chunk // size),
        )
        for stage, name in zip(plan.stages, plan.names, strict=True)
    )
    return replace(plan, stages=steps, items_each=size)


def _chunked(source: Source, size: int) -> Source:
    offsets = source.offsets_ns
    return replace(
        source,
        factory=lambda: _Chunks(source, size),
        # A chunk can go when its last item has come.
        offsets_ns=None
        if offsets is None
        else [
            offsets[min(end, len(offsets)) - 1] for end in range(size, len(offsets) + size, size)
        ],
        in_flight=None if source.in_flight is None else max(1, source.in_flight // size),
        collects_errors=False,  # the steps do, item by item
    )


def _of_items(trace: Trace, source: Source, size: int) -> Trace:
    """Return the trace of the items: the stamps of a chunk are those of all its items."""
    chunks: list[Chunk] = trace.outputs
    failures = sorted(failure for chunk in chunks for failure in chunk.failures)
    failed = tuple(item for item, _, _ in failures)
    num_items = sum(chunk.count for chunk in chunks)
    numbers = np.arange(len(chunks)) if trace.sample is None else trace.sample.items
    kept = (numbers[:, None] * size + np.arange(size)).ravel()
    is_item = kept < num_items
    kept = kept[is_item]
    emitted = np.repeat(trace.emitted_ns, size)[is_item]
    emitted[np.isin(kept, failed)] = 0
    return replace(
        trace,
        outputs=[value for chunk in chunks for value in chunk.values],
        visits=replace(trace.visits, item=trace.visits.item * size),
        admitted_ns=_admitted(np.repeat(trace.admitted_ns, size)[is_item], kept, source, trace),
        emitted_ns=emitted,
        send_lag_s=np.repeat(trace.send_lag_s, size)[:num_items],
        failures=tuple(ItemFailure(*each) for each in failures[:MOST_FAILURES]),
        failed_items=failed,
        chunk=trace.chunk * size,
        handed_over=trace.handed_over * size,
        sample=None
        if trace.sample is None
        else Sample(kept, num_items, trace.sample.num_visits, trace.sample.seed),
    )


def _admitted(of_chunk: Ints, kept: Ints, source: Source, trace: Trace) -> Ints:
    """Return when each kept item entered: with its chunk, or when it was itself meant to arrive."""
    if source.offsets_ns is None:
        return of_chunk
    scheduled = kept < len(source.offsets_ns)
    of_chunk[scheduled] = (
        trace.began_ns + np.array(source.offsets_ns, dtype=np.int64)[kept[scheduled]]
    )
    return of_chunk
