"""An execution whose clock starts and stops on idle devices."""

from __future__ import annotations

import time
from collections.abc import Callable
from queue import SimpleQueue

from pytest_pipeline.executors._run import Run, get_before


class DeviceExecution(Run):
    """A run of stages on devices. Nothing in it waits for a device in the calling thread: a kernel may never end."""

    def __init__(
        self,
        synchronize: Callable[[], None],
        *,
        feeders: int,
        timeout_s: float,
        collects_errors: bool,
        items_each: int,
    ) -> None:
        super().__init__(collects_errors=collects_errors, items_each=items_each)
        self._synchronize = synchronize
        self._feeders = feeders
        self._deadline = time.monotonic() + timeout_s
        self.settled: SimpleQueue[None] = SimpleQueue()
        """Every feeder reports here once its devices are idle, or cannot become so."""

    def begin(self) -> None:
        """Wait for the feeders, then start the clock; raises `TimedOutError` when one does not report in time."""
        for _ in range(self._feeders):
            get_before(self.settled, self._deadline)
        super().begin()

    def end(self) -> None:
        """Wait for the devices, then stop the clock. For a worker thread."""
        try:
            self._synchronize()
        except BaseException as error:
            self.fail(error)
            return
        super().end()
