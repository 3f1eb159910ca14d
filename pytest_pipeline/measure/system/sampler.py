"""A thread that samples a level while something runs, and keeps the largest value."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Protocol, TypeVar

from pytest_pipeline.clock import Clock
from pytest_pipeline.measure.system.footprint import Footprint
from pytest_pipeline.measure.system.heap import hidden_memory, settle
from pytest_pipeline.model.memory import MemoryReading

PERIOD_S = 0.010
"""Seconds between two samples, where reading is quick enough."""

JOIN_S = 10.0
"""The sampler ends after the sample in hand; this bounds the wait for it."""

T = TypeVar("T")


class StopToken:
    """Ends a wait at once: no polling."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[None] = SimpleQueue()

    def stop(self) -> None:
        """End the wait in progress, or the next one."""
        self._queue.put(None)

    def stopped_within(self, seconds: float) -> bool:
        """Wait for `seconds`; True when stopped meanwhile."""
        try:
            self._queue.get(timeout=seconds)
        except Empty:
            return False
        return True


class Sampler:
    """Samples `read` about every `period_s` seconds until `stopped_within` says so."""

    def __init__(
        self,
        read: Callable[[], int],
        stopped_within: Callable[[float], bool],
        clock: Clock,
        period_s: float = PERIOD_S,
    ) -> None:
        self.largest = 0
        self.samples = 0
        self._read = read
        self._stopped_within = stopped_within
        self._clock = clock
        self._period_s = period_s

    def __call__(self) -> None:
        """Sample until stopped; reading takes at most half of the time, however slow it is."""
        while True:
            began_ns = self._clock.now_ns()
            self.take()
            spent_s = (self._clock.now_ns() - began_ns) / 1e9
            if self._stopped_within(max(self._period_s - spent_s, spent_s)):
                return

    def take(self) -> None:
        """Take one sample."""
        self.largest = max(self.largest, self._read())
        self.samples += 1


class Meter(Protocol):
    """Runs something and says how much memory it took."""

    def __call__(self, execute: Callable[[], T], /) -> tuple[T, MemoryReading]:
        """Return what `execute` returns, and the memory around it."""
        ...


class Sampling:
    """Samples the process tree while something runs, on what garbage and free heap leave."""

    def __init__(self, footprint: Footprint, clock: Clock) -> None:
        self._footprint = footprint
        self._clock = clock

    def __call__(self, execute: Callable[[], T], /) -> tuple[T, MemoryReading]:
        """Return what `execute` returns, and the largest level while it ran or right after it."""
        read, token = self._footprint.read_bytes, StopToken()
        sampler = Sampler(read, token.stopped_within, self._clock)
        thread = threading.Thread(target=sampler, name="pipeline-memory", daemon=True)
        read()  # the first reading imports and allocates
        settle()
        before = read()
        began_ns = self._clock.now_ns()
        thread.start()
        try:
            result = execute()
        finally:
            token.stop()
            thread.join(JOIN_S)
        sampler.take()  # the outputs are still held
        elapsed_s = (self._clock.now_ns() - began_ns) / 1e9
        return result, MemoryReading(
            before_bytes=before,
            peak_bytes=sampler.largest,
            samples=sampler.samples,
            period_s=elapsed_s / sampler.samples,
            kind=self._footprint.kind,
            hidden=hidden_memory(),
        )
