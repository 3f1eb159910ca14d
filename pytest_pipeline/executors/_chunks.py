"""Chunks: several items handed over at a time, and recorded as one visit.

A chunk is cut at the source, travels through the plan whole, and is emitted whole; the last one
may be shorter. Its items share its stamps: an item's latency is that of its chunk, the wait until
it was full included.
"""

from __future__ import annotations

from itertools import islice
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from pytest_pipeline.executors._accounts import IDLE
from pytest_pipeline.executors._hops import END_OF_SOURCE
from pytest_pipeline.executors._recorder import FOLD_EVERY
from pytest_pipeline.executors._sink import Dropped
from pytest_pipeline.executors._source import Pump
from pytest_pipeline.executors._summary import summary
from pytest_pipeline.executors._worker import Worker
from pytest_pipeline.model.plan import SOURCE_STAGE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_pipeline.executors._accounts import Account
    from pytest_pipeline.executors._hops import Outgoing, Purse, Putter
    from pytest_pipeline.executors._run import Run
    from pytest_pipeline.model.plan import Source


def chunk_for(chunk: int, source: Source, workers: int) -> int:
    """Return how many items travel together in one execution over `source`.

    In open loop it is one: an arrival does not wait for those after it. In closed loop a chunk
    holds no more than leaves each of the workers its share of what may be in flight.
    """
    if source.offsets_ns is not None:
        return 1
    if source.in_flight is None:
        return chunk
    return max(1, min(chunk, source.in_flight // workers))


class ChunkWorker(Worker):
    """The loop of a worker that is given lists of items."""

    _is_recording = True

    def _work(self) -> None:
        account, send = self._account, self._outlet.send
        stage, record = account.stage, account.recorder.add
        messages = self._intake.messages()
        while not self._intake.is_over:
            for item, values, enqueued in islice(messages, FOLD_EVERY):
                account.done = done = list[Any]()
                account.item = item
                account.since_ns = started = perf_counter_ns()
                try:
                    self._visit(values, done, item)
                except BaseException as error:
                    self._run.fail(error, self._name, item + len(done))
                    continue
                finally:
                    finished = perf_counter_ns()
                    account.item = IDLE
                    account.done = ()
                if len(done) < len(values):
                    continue  # the run has failed meanwhile
                if self._is_recording:
                    record((item, stage, enqueued, started, finished))
                if not send(item, done, finished):
                    return
            account.recorder.fold()

    def _visit(self, values: list[Any], done: list[Any], item: int) -> None:
        """Append to `done` what the stage makes of each value, until the run fails."""
        fn, append, run = self._fn, done.append, self._run
        if not run.collects_errors:
            for value in values:
                if run.failed:
                    return
                append(fn(value))
            return
        for index, value in enumerate(values, item):
            if run.failed:
                return
            if type(value) is Dropped:
                append(value)
                continue
            try:
                append(fn(value))
            except Exception as error:
                append(Dropped(self._name, index, summary(error)))


class BareChunkWorker(ChunkWorker):
    """The same without recording."""

    _is_recording = False


class ChunkPump(Pump):
    """Feeds the first hop with lists of items of a source that may wait."""

    def __init__(
        self,
        source: Source,
        run: Run,
        account: Account,
        *,
        gate: Purse,
        outlet: Outgoing,
        ends: Putter,
        chunk: int,
    ) -> None:
        super().__init__(source, run, account, gate=gate, outlet=outlet, ends=ends)
        self._chunk = chunk

    def _feed_one(self, iterator: Iterator[Any], item: int) -> bool:
        """Take the chunk with this number."""
        run, account = self._run, self._account
        started = self._gate.pay(perf_counter_ns())
        if not started or run.failed:
            return False
        first = item * self._chunk
        account.done = values = list[Any]()
        account.item, account.since_ns = first, started
        try:
            values.extend(islice(iterator, self._chunk))
        except BaseException as error:
            run.fail(error, SOURCE_STAGE, first + len(values))
            return False
        finally:
            account.item = IDLE
            account.done = ()
        finished = perf_counter_ns()
        is_last = len(values) < self._chunk
        if values:
            if self._source.is_timed:
                self._record((first, 0, started, started, finished))
            is_last |= not self._outlet.send(first, values, finished)
        if item % FOLD_EVERY == 0:
            account.recorder.fold()
        if len(values) < self._chunk:
            self._ends.put((END_OF_SOURCE, first + len(values), 0))
        return not is_last
