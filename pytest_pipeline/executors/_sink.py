"""The index-ordered end of a run: outputs in input order, admission credits back to the source."""

from __future__ import annotations

import threading
from queue import SimpleQueue
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from pytest_pipeline.executors._hops import END_OF_SOURCE
from pytest_pipeline.executors._run import get_before
from pytest_pipeline.model.trace import ItemFailure

if TYPE_CHECKING:
    from pytest_pipeline.executors._hops import Credits, Message
    from pytest_pipeline.executors._run import Run


class Dropped:
    """Stands in for the output of an item whose stage raised while errors are collected."""

    __slots__ = ("failure",)

    def __init__(self, stage: str, item: int, error: str) -> None:
        self.failure = ItemFailure(item, stage, error)


class _Chunk:
    """Outputs of consecutive items that came before their turn."""

    __slots__ = ("values",)

    def __init__(self, values: list[Any]) -> None:
        self.values = values


class Sink:
    """Receives finished items in any order and emits them in input order.

    `accept` is for one thread; `send` and `put` are for the workers of a last stage, any number of
    them, who emit by themselves: a thread that only emits would have to be woken for every few
    items. Their lock is what makes that right without a GIL.
    """

    def __init__(self, run: Run, gate: Credits) -> None:
        self.gate = gate
        self.outputs: list[Any] = []
        self.first_result_ns = 0
        self._run = run
        self._pending: dict[int, Any] = {}
        self._next = 0
        self._expected = -1
        self._uncounted = 0
        self._lock = threading.Lock()
        over: SimpleQueue[None] = SimpleQueue()
        self._over = over
        run.on_stop(self.gate.stop)
        # Not through `self`: a cycle would keep the outputs, and views in them, until the next collection.
        run.on_stop(lambda: over.put(None))

    @property
    def num_items(self) -> int:
        """Items of the source, once it has ended."""
        return self._expected

    @property
    def is_complete(self) -> bool:
        """True when every item of the source was emitted."""
        return self._next == self._expected

    def accept(self, item: int, value: Any) -> None:
        """Take one message: an output, a dropped item, or the number of items."""
        if item == END_OF_SOURCE:
            self._expected = value
        elif item == self._next:
            self._emit(value)
            self._emit_pending()
        else:
            self._pending[item] = value

    def accept_many(self, first: int, values: list[Any]) -> None:
        """Take the outputs of consecutive items, none of them dropped."""
        if first != self._next:
            self._pending[first] = _Chunk(values)
            return
        self._emit_many(values)
        self._emit_pending()

    def _emit_pending(self) -> None:
        while self._pending and self._next in self._pending:
            value = self._pending.pop(self._next)
            if type(value) is _Chunk:
                self._emit_many(value.values)
            else:
                self._emit(value)

    def _emit_many(self, values: list[Any]) -> None:
        self._next += len(values)
        self.outputs += values
        if not self.first_result_ns:
            self.first_result_ns = perf_counter_ns()
        self._uncounted += len(values)
        while self._uncounted >= self.gate.block:
            self._uncounted -= self.gate.block
            self.gate.tokens.put(self.gate.block)

    def _emit(self, value: Any) -> None:
        self._next += 1
        if type(value) is Dropped:
            self._run.failures.add(value.failure)
        else:
            self.outputs.append(value)
            if not self.first_result_ns:
                self.first_result_ns = perf_counter_ns()
        self._return_credit()

    def _return_credit(self) -> None:
        self._uncounted += 1
        if self._uncounted == self.gate.block:
            self._uncounted = 0
            self.gate.tokens.put(self.gate.block)

    def send(self, item: int, value: Any, at_ns: int) -> bool:  # noqa: ARG002 - as every outlet
        """Emit, and end the run with the last item."""
        with self._lock:
            self.accept(item, value)
            if self._next == self._expected:
                self._run.end()
        return True

    def put(self, message: Message) -> None:
        """Take an item that was dropped on the way, or the number of items."""
        self.send(*message)

    def wait(self, deadline: float) -> None:
        """Wait until the run is over. Raises the run's error when the run failed."""
        get_before(self._over, deadline)
        if self._run.error is not None:
            raise self._run.error


class ChunkSink(Sink):
    """Receives lists of items that travelled together, each under the index of its first item."""

    def _emit(self, value: Any) -> None:
        self._next += len(value)
        if self._run.collects_errors:
            for each in value:
                if type(each) is Dropped:
                    self._run.failures.add(each.failure)
            value = [each for each in value if type(each) is not Dropped]
        self.outputs.extend(value)
        if value and not self.first_result_ns:
            self.first_result_ns = perf_counter_ns()
        self._return_credit()
