"""Bounded hops between workers: block credit over two C queues, no Python lock.

A producer pays one credit per item; a consumer hands credits back in blocks, so that a blocked
producer is woken once per block and not once per item (a wake-up costs about 23 us, a
`SimpleQueue` operation about 0.1 us).

Why no block size here can deadlock, or keep a consumer idle. Let a hop have n producers, m
consumers, depth d and block b, with d + m credits in all: d for items that wait, and one for the
item in each consumer's hands, which keeps its credit until the consumer asks for the next. A credit
is a token in the queue, an item in the queue, unspent in a producer's purse, in a consumer's hands,
or uncounted there. A producer pays as soon as it opens a token, so a waiting one holds 0 unspent
and any other at most b - 1; a consumer hands back at b, so beside the item in its hands at most
b - 1 are uncounted. Let a producer wait while k <= m consumers are at work. Out of reach are at most
(n - 1 + m) * (b - 1) + k credits. With b = (d - 1) // (n + m) + 1 that is at most d - 1 + k, so
at least m - k + 1 credits are a token (the producer goes on) or queued items: one for each of the
m - k idle consumers, and one more. With d credits in all, as it once was, no more than d of the m
consumers could ever be at work. For n = m = 1 and d = 16: b = 8, of 17 credits.

Tried on three null stages, per item and hop, as a ratio to a `queue.Queue(16)` pipeline of five
threads (2.4 us on two cores, CPython 3.11; recording off; interleaved, median of 9). The numbers
were taken with d credits per hop instead of d + m, and not again since; the blocks are the same:

| hand-over                                                     | depth 16 | depth 64 |
|---------------------------------------------------------------|----------|----------|
| block credit, source and sink in threads of their own         | 0.67 (*) | 0.41 (*) |
| single-producer deque, parking flags, woken at half           | 0.29     | 0.16     |
| block credit, first stage takes, last stage emits (this one)  | 0.28     | 0.16     |

(*) The whole executor, with recording, which adds about 0.1. The other two rows are bare loops; the
whole executor as it is now, recording off, gave 0.30 to 0.33 and 0.21 to 0.23 on a busy machine.
The deque is no faster, serves one producer and one consumer only, and needs two flags to be
published and checked again in the right order. What counts is not the queue but how many threads
take turns: five become three when a list's items are taken by the first stage's workers
(`_intake.py`) and outputs are emitted by the last one's (`_sink.py`).

Nothing here relies on the GIL. `SimpleQueue` is the only thing that two threads touch at once, and
is safe on every build; a purse belongs to one producer, an inlet's count to one consumer;
`Run.failed` only ever turns true, and whoever reads it too early finds the STOP in the queue.
"""

from __future__ import annotations

from queue import Empty, SimpleQueue
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_pipeline.executors._accounts import Account
    from pytest_pipeline.executors._run import Run

Message = tuple[int, Any, int]
"""(item index, value, nanosecond stamp)."""

STOP: Message = (-2, None, 0)
"""Ends every worker that sees it; each puts it back for its siblings."""

END_OF_SOURCE = -1
"""Item index of the message that carries the number of items instead of a value."""

_NO_CREDIT = 0
"""A token worth nothing: the run is over, put it back for the siblings."""


class Outgoing(Protocol):
    """Where finished work goes."""

    def send(self, item: int, value: Any, at_ns: int) -> bool:
        """Hand the item over; False when the run is over."""
        ...


class Putter(Protocol):
    """Anything with a thread-safe `put` that never blocks."""

    def put(self, message: Message, /) -> None:
        """Append the message."""
        ...


class Credits:
    """Permission to put: tokens worth up to `block` items each, `depth` items in all."""

    __slots__ = ("block", "tokens")

    def __init__(self, depth: int, block: int) -> None:
        self.block = block
        self.tokens: SimpleQueue[int] = SimpleQueue()
        whole, rest = divmod(depth, block)
        for worth in [block] * whole + [rest] * bool(rest):
            self.tokens.put(worth)

    def stop(self) -> None:
        """End everybody who waits for a credit, now or later."""
        self.tokens.put(_NO_CREDIT)


class Hop:
    """The bounded queue in front of one stage: `depth` items wait, and each consumer has one more."""

    __slots__ = ("credits", "items")

    def __init__(self, depth: int, producers: int, consumers: int) -> None:
        block = (depth - 1) // (producers + consumers) + 1
        self.credits = Credits(depth + consumers, block)
        self.items: SimpleQueue[Message] = SimpleQueue()

    def stop(self) -> None:
        """Poison both ends."""
        self.items.put(STOP)
        self.credits.stop()


class Purse:
    """One producer's unspent credits."""

    __slots__ = ("_account", "_run", "_tokens", "_tokens_now", "_unspent")

    def __init__(self, credit: Credits, run: Run, account: Account) -> None:
        self._tokens = credit.tokens
        self._tokens_now = credit.tokens.get_nowait
        self._unspent = 0
        self._run = run
        self._account = account

    def pay(self, at_ns: int) -> int:
        """Pay for one item; return when that was possible (`at_ns` if at once), 0 to stop."""
        if not self._unspent:
            try:
                self._unspent = self._tokens_now()
            except Empty:
                at_ns = self._wait()
            if not self._unspent:
                self._tokens.put(_NO_CREDIT)
                return 0
        self._unspent -= 1
        return at_ns

    def _wait(self) -> int:
        before = perf_counter_ns()
        self._unspent = self._tokens.get()
        after = perf_counter_ns()
        self._account.blocked_ns += self._run.inside(before, after)
        return after


class Outlet(Purse):
    """One producer's end of a hop."""

    __slots__ = ("_put",)

    def __init__(self, hop: Hop, run: Run, account: Account) -> None:
        super().__init__(hop.credits, run, account)
        self._put = hop.items.put

    def send(self, item: int, value: Any, at_ns: int) -> bool:
        """Queue the item, waiting for room; False when the run is over."""
        if self._unspent:
            self._unspent -= 1
        else:
            at_ns = self.pay(at_ns)
            if not at_ns:
                return False
        self._put((item, value, at_ns))
        return True


class FreeOutlet:
    """A hop whose bound lies elsewhere (the admission gate): sending never waits."""

    __slots__ = ("_put",)

    def __init__(self, target: Putter) -> None:
        self._put = target.put

    def send(self, item: int, value: Any, at_ns: int) -> bool:
        """Queue the item."""
        self._put((item, value, at_ns))
        return True


def no_preparation() -> None:
    """Do nothing before a wait."""


class Inlet:
    """One consumer's end of a hop."""

    __slots__ = ("_account", "_hop", "_run", "before_wait", "is_over")

    def __init__(self, hop: Hop, run: Run, account: Account) -> None:
        self.is_over = False
        self.before_wait: Callable[[], None] = no_preparation
        self._hop = hop
        self._run = run
        self._account = account

    def messages(self) -> Iterator[Message]:
        """Yield messages, waiting for them, until the run is over.

        A generator, because its local variables are the cheapest state that Python has.
        """
        hop, run = self._hop, self._run
        take, give, block = hop.items.get_nowait, hop.credits.tokens.put, hop.credits.block
        while True:
            for _ in range(block):
                try:
                    message = take()
                except Empty:
                    message = self._wait()
                # Queued items of a failed run are dropped here, by the one flag read per item.
                if message is STOP or run.failed:
                    hop.items.put(STOP)
                    self.is_over = True
                    return
                yield message
            give(block)

    def _wait(self) -> Message:
        self.before_wait()
        before = perf_counter_ns()
        message = self._hop.items.get()
        self._account.starved_ns += self._run.inside(before, perf_counter_ns())
        return message
