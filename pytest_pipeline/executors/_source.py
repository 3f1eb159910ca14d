"""Take items from the source: pacing, admission, and the time of `next()` as a stage."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from queue import Empty
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from pytest_pipeline.executors._accounts import IDLE
from pytest_pipeline.executors._hops import END_OF_SOURCE, Credits, Outgoing, Purse
from pytest_pipeline.executors._recorder import FOLD_EVERY
from pytest_pipeline.model.plan import SOURCE_STAGE

if TYPE_CHECKING:
    from pytest_pipeline.executors._accounts import Account
    from pytest_pipeline.executors._hops import Message, Putter
    from pytest_pipeline.executors._run import Run
    from pytest_pipeline.model.plan import Source

_END = object()

SPIN_NS = 300_000
"""The last stretch before a deadline is spun: a sleeping thread wakes 50 to 150 us late."""


def admission_gate(
    source: Source, queue_sizes: int, workers: int, chunk: int = 1, takers: int = 1
) -> Credits:
    """Return the credits that bound items (or chunks) admitted and not yet emitted in order.

    An `in_flight` that the caller asked for is kept to exactly; the executor's own bound hands
    credits back in quarters, so that the source is rarely woken. Of blocks of b, each of the `takers`
    may hold b - 1 unspent and the sink b - 1 uncounted: (takers + 1) * (b - 1) is at most
    `queue_sizes`, so that one credit is left for every worker of the plan.
    """
    bound = queue_sizes + workers
    if source.in_flight is None:
        return Credits(bound, max(1, min(bound // 4, queue_sizes // (takers + 1) + 1)))
    return Credits(max(1, min(bound, source.in_flight // chunk)), 1)


class Pacer:
    """Waits for the intended start of each item (open loop), and records how late it woke up.

    The recorded lag is the generator's own: time for which the system under test made it wait is
    in the latency already, which counts from the intended start.
    """

    def __init__(self, offsets_ns: Sequence[int], run: Run) -> None:
        self._offsets = offsets_ns
        self._run = run

    def wait(self, item: int, account: Account) -> int:
        """Return the intended start of `item` once it has come; 0 to stop."""
        now = perf_counter_ns()
        if item >= len(self._offsets):
            return now  # the source is longer than its schedule: closed loop from here on
        intended = self._run.began_ns + int(self._offsets[item])
        woke = self._sleep_until(intended, now)
        if not woke:
            return 0
        account.starved_ns += self._run.inside(now, woke)
        # Late already when it came round: the system held it up, the generator was not at fault.
        self._run.send_lag_ns.append(woke - max(intended, now))
        return intended

    def _sleep_until(self, deadline: int, now: int) -> int:
        if deadline - now > SPIN_NS and self._run.halted_within((deadline - now - SPIN_NS) / 1e9):
            return 0
        while (now := perf_counter_ns()) < deadline:
            time.sleep(0)  # give up the GIL: the stages of a busy pipeline must not wait for a spin
        return now


class Pump:
    """Runs in its own worker thread and feeds the first hop."""

    def __init__(
        self,
        source: Source,
        run: Run,
        account: Account,
        *,
        gate: Purse,
        outlet: Outgoing,
        ends: Putter,
    ) -> None:
        self._source = source
        self._run = run
        self._account = account
        self._gate = gate
        self._outlet = outlet
        self._ends = ends
        self._pacer = None if source.offsets_ns is None else Pacer(source.offsets_ns, run)
        self._record = account.recorder.add

    def __call__(self) -> None:
        """Feed until the source is exhausted, then wait for the end of the run."""
        account, run = self._account, self._run
        account.enter()
        if run.go.get():
            self._feed()
            waiting = perf_counter_ns()
            run.go.get()
            account.starved_ns += run.inside(waiting, perf_counter_ns())
        account.leave()

    def _feed(self) -> None:
        item = 0
        try:
            self._account.item, self._account.since_ns = 0, perf_counter_ns()
            iterator = self._source.factory()
            self._account.item = IDLE
            while self._feed_one(iterator, item):
                item += 1
        except BaseException as error:
            self._account.item = IDLE
            self._run.fail(error, SOURCE_STAGE, item)

    def _feed_one(self, iterator: Iterator[Any], item: int) -> bool:
        run, account = self._run, self._account
        intended = self._pacer.wait(item, account) if self._pacer is not None else -1
        started = self._gate.pay(perf_counter_ns())
        if not intended or not started or run.failed:
            return False
        account.item, account.since_ns = item, started
        try:
            value = next(iterator)
        except StopIteration:
            account.item = IDLE
            self._ends.put((END_OF_SOURCE, item, 0))
            return False
        account.item = IDLE
        finished = perf_counter_ns()
        if self._source.is_timed:
            self._record((item, 0, started if intended < 0 else intended, started, finished))
            if item % FOLD_EVERY == 0:
                account.recorder.fold()
        elif intended >= 0:  # in closed loop an item is admitted when it is handed over
            run.admitted_ns.append(intended)
        return self._outlet.send(item, value, finished)


class InlineFeed:
    """Takes items in the thread that asks for them: for a list, whose `next()` costs nothing and never waits.

    A thread of its own would cost more than the items: two threads that make system calls hand
    the GIL to and fro at every one of them.
    """

    def __init__(self, source: Source, run: Run, gate: Credits) -> None:
        self._factory = source.factory
        self._iterator: Iterator[Any] | None = None
        self._run = run
        self._tokens_now = gate.tokens.get_nowait
        self._unspent = 0
        self._item = 0
        self._is_over = False
        """An iterator is not asked again after its end."""

    def take(self) -> Message | None:
        """Return the next item, or the end of the source; None when the gate is closed."""
        item = self._item
        if self._is_over:
            return (END_OF_SOURCE, item, 0)
        if not self._has_credit():
            return None
        try:
            if self._iterator is None:
                self._iterator = self._factory()
            # Not by `except StopIteration`: one that the factory raises is a failure, not an end.
            value = next(self._iterator, _END)
        except BaseException as error:
            self._run.fail(error, SOURCE_STAGE, item)
            raise
        if value is _END:
            self._is_over = True
            return (END_OF_SOURCE, item, 0)
        self._unspent -= 1
        self._item += 1
        return (item, value, perf_counter_ns())

    def take_many(self, limit: int) -> tuple[int, list[Any], int]:
        """Return the index of the next item, up to `limit` items, and when they were taken.

        None at all where the gate is closed or the source has ended: `take` tells which.
        """
        first, values = self._item, list[Any]()
        if self._is_over or not self._has_credit():
            return first, values, 0
        asked = min(limit, self._unspent)
        try:
            if self._iterator is None:
                self._iterator = self._factory()
            # What came before an exception stays in the list: its length names the culprit.
            values.extend(itertools.islice(self._iterator, asked))
        except BaseException as error:
            self._run.fail(error, SOURCE_STAGE, first + len(values))
            raise
        now = perf_counter_ns()
        self._is_over = len(values) < asked
        self._unspent -= len(values)
        self._item += len(values)
        return first, values, now

    def _has_credit(self) -> bool:
        if not self._unspent:
            try:
                self._unspent = self._tokens_now()
            except Empty:
                return False
        return bool(self._unspent)
