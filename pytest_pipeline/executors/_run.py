"""The state of one execution: its flags, its one failure slot, and the tokens that end it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TypeVar

from pytest_pipeline.executors._failures import FailureRecord
from pytest_pipeline.executors._places import note_place

_NEVER_NS = 2**63 - 1

T = TypeVar("T")

GO, OVER = True, False
"""Tokens: go on, and end."""


class Run:
    """One execution. Fresh for every `Running.run`, so that nothing stale can leak into the next."""

    def __init__(self, *, collects_errors: bool, items_each: int = 1) -> None:
        self.collects_errors = collects_errors
        self.items_each = items_each
        """Items of the source in what the executor numbers as one (`Plan.items_each`)."""
        self.failed = False
        """Read once per item by every worker: queued items of a failed run are dropped."""
        self.error: BaseException | None = None
        self.began_ns = 0
        self.ended_ns = _NEVER_NS
        self.admitted_ns: list[int] = []
        self.send_lag_ns: list[int] = []
        self.failures = FailureRecord()
        self.go: SimpleQueue[bool] = SimpleQueue()
        self.ready: SimpleQueue[int] = SimpleQueue()
        """Workers that have begun this run report here."""
        self.idle: SimpleQueue[int] = SimpleQueue()
        """Workers that have left this run report here."""
        self._halt: SimpleQueue[None] = SimpleQueue()
        self._stops: list[Callable[[], None]] = []
        self._is_stopped = False
        self._lock = threading.Lock()

    def on_stop(self, stop: Callable[[], None]) -> None:
        """Call `stop` when the run ends; it must only put a token, never wait."""
        self._stops.append(stop)

    def begin(self) -> None:
        """Start the clock and let the source go."""
        self.began_ns = time.perf_counter_ns()
        self.go.put(GO)

    def wait_begin(self) -> bool:
        """Wait for the start; False when the run was over before. For any number of workers."""
        token = self.go.get()
        self.go.put(token)
        return token

    def wait_over(self) -> None:
        """Wait for the end."""
        self._halt.get()
        self._halt.put(None)

    def end(self) -> None:
        """Stop the clock after the last output, and release the workers."""
        self.ended_ns = time.perf_counter_ns()
        self.stop()

    def stop(self) -> None:
        """Send every worker the token that ends its loop."""
        self.go.put(OVER)
        self._halt.put(None)
        for stop in self._stops:
            stop()
        self._is_stopped = True

    def make_over(self) -> None:
        """Cancel what Ctrl-C kept from being cancelled or ended; a second token does no harm."""
        if self._is_stopped:
            return
        if self.ended_ns == _NEVER_NS:
            self.failed = True
        self.stop()

    def fail(self, error: BaseException, stage: str | None = None, item: int | None = None) -> None:
        """Fill the failure slot (the first one wins) and cancel everything else."""
        with self._lock:
            if self.error is not None:
                return
            self.error = error
        if stage is not None:
            note_place(error, stage, item, self.items_each)
        self.failed = True
        self.stop()

    def inside(self, before_ns: int, after_ns: int) -> int:
        """Return how much of the interval lies between the start and the end of the run."""
        return max(0, min(after_ns, self.ended_ns) - max(before_ns, self.began_ns))

    def halted_within(self, seconds: float) -> bool:
        """Sleep for `seconds`; True when the run ended meanwhile."""
        try:
            self._halt.get(timeout=seconds)
        except Empty:
            return False
        self._halt.put(None)
        return True


SIGNAL_S = 0.5
"""How long the calling thread waits before it looks for signals again.

A signal that arrives after the interpreter's last look and before the kernel's wait begins does
not interrupt that wait: Ctrl-C was lost so now and then when it came just as a run began.
No item is held up by this: a message ends the wait at once.
"""


class TimedOutError(Exception):
    """The deadline has passed. Never reaches the user: the crew turns it into the full message."""


def get_before(queue: SimpleQueue[T], deadline: float) -> T:
    """Return the next element; raises `TimedOutError` at `deadline` (`time.monotonic`)."""
    while True:
        left_s = deadline - time.monotonic()
        try:
            return queue.get(timeout=max(0.0, min(left_s, SIGNAL_S)))
        except Empty:
            if left_s <= SIGNAL_S:
                raise TimedOutError from None
