"""The index-ordered end of a run: outputs in input order, admission credits back to the source."""

from __future__ import annotations

from queue import Empty, SimpleQueue
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from pytest_pipeline.executors._hops import END_OF_SOURCE, STOP
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


def summary(error: BaseException) -> str:
    """Return type and message of an exception."""
    return f"{type(error).__name__}: {error}"


class Sink:
    """Receives finished items in any order and emits them in input order."""

    def __init__(self, run: Run, gate: Credits) -> None:
        self.gate = gate
        self.outputs: list[Any] = []
        self.first_result_ns = 0
        self._run = run
        self._pending: dict[int, Any] = {}
        self._next = 0
        self._expected = -1
        self._uncounted = 0
        run.on_stop(self.gate.stop)

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
            self._run.failures.append(value.failure)
        else:
            self.outputs.append(value)
            if not self.first_result_ns:
                self.first_result_ns = perf_counter_ns()
        self._uncounted += 1
        if self._uncounted == self.gate.block:
            self._uncounted = 0
            self.gate.tokens.put(self.gate.block)

    def drain(self, results: SimpleQueue[Message], deadline: float) -> None:
        """Emit until the run is complete. Raises the run's error when the run failed."""
        while not self.is_complete:
            try:
                message = results.get_nowait()
            except Empty:
                message = get_before(results, deadline)
            if message is STOP:
                assert self._run.error is not None
                raise self._run.error
            self.accept(message[0], message[1])
        self._run.end()
