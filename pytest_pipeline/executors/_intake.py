"""Items of a list, taken by the workers of the first stage themselves.

A source that costs nothing needs no thread: each hand-over that is not there saves a wake-up for
every few items (about 23 us) and the queue operations of every item.
"""

from __future__ import annotations

import threading
from itertools import islice
from queue import Empty
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Protocol

from pytest_pipeline.executors._hops import END_OF_SOURCE, no_preparation
from pytest_pipeline.model.plan import SOURCE_STAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_pipeline.executors._accounts import Account
    from pytest_pipeline.executors._hops import Credits, Message, Putter
    from pytest_pipeline.executors._run import Run
    from pytest_pipeline.model.plan import Source


_END = object()


class Intake(Protocol):
    """Where a worker's items come from."""

    before_wait: Callable[[], None]
    """Called whenever nothing is there to be yielded at once."""

    @property
    def is_over(self) -> bool:
        """True once there is nothing more to come."""
        ...

    def messages(self) -> Iterator[Message]:
        """Yield what to work on, waiting for it, until the run is over."""
        ...


class ListFeed:
    """What the workers of the first stage share: the items, and the bound on those in flight.

    The lock makes taking an item and numbering it one step, with or without a GIL.
    """

    def __init__(self, source: Source, run: Run, gate: Credits, ends: Putter, chunk: int) -> None:
        self.gate = gate
        self.run = run
        self._factory = source.factory
        self._iterator: Iterator[Any] | None = None
        self._ends = ends
        self.chunk = chunk
        self._taken = 0
        self._lock = threading.Lock()
        self._is_over = False

    def take(self) -> Message | None:
        """Return the next item; None when there is none."""
        with self._lock:
            if self._is_over:
                return None
            item = self._taken
            try:
                if self._iterator is None:
                    self._iterator = self._factory()
                value = next(self._iterator, _END)
            except BaseException as error:
                self._fail(error, item)
                return None
            if value is _END:
                self._end()
                return None
            self._taken += 1
        return item, value, perf_counter_ns()

    def take_chunk(self) -> Message | None:
        """Return the next `chunk` items, fewer at the end; None when there are none."""
        with self._lock:
            if self._is_over:
                return None
            item, values = self._taken, list[Any]()
            try:
                if self._iterator is None:
                    self._iterator = self._factory()
                values.extend(islice(self._iterator, self.chunk))
            except BaseException as error:
                self._fail(error, item + len(values))
                return None
            self._taken += len(values)
            # A short chunk is the end already: an iterator is not asked again after its end.
            if len(values) < self.chunk:
                self._end()
        return (item, values, perf_counter_ns()) if values else None

    def _end(self) -> None:
        self._is_over = True
        self._ends.put((END_OF_SOURCE, self._taken, 0))

    def _fail(self, error: BaseException, item: int) -> None:
        self._is_over = True
        self.run.fail(error, SOURCE_STAGE, item)


class ListInlet:
    """One worker's end of a `ListFeed`."""

    __slots__ = ("_account", "_feed", "before_wait", "is_over")

    def __init__(self, feed: ListFeed, account: Account) -> None:
        self.is_over = False
        self.before_wait: Callable[[], None] = no_preparation
        self._feed = feed
        self._account = account

    def messages(self) -> Iterator[Message]:
        """Yield items as long as there are any, then wait for the end of the run."""
        feed, run = self._feed, self._feed.run
        take = feed.take if feed.chunk == 1 else feed.take_chunk
        token_now = feed.gate.tokens.get_nowait
        if run.wait_begin():
            while not run.failed:
                try:
                    unspent = token_now()
                except Empty:
                    unspent = self._wait()
                if not unspent:
                    feed.gate.stop()
                    break
                for _ in range(unspent):
                    message = take()
                    if message is None or run.failed:
                        break
                    yield message
                else:
                    continue
                break
            self._idle()
        self.is_over = True

    def _wait(self) -> int:
        self.before_wait()
        before = perf_counter_ns()
        unspent = self._feed.gate.tokens.get()
        self._account.starved_ns += self._feed.run.inside(before, perf_counter_ns())
        return unspent

    def _idle(self) -> None:
        self.before_wait()
        before = perf_counter_ns()
        self._feed.run.wait_over()
        self._account.starved_ns += self._feed.run.inside(before, perf_counter_ns())
