"""For nested suites: a worker that waits for its place opens `waits.fifo` for good, so that others can wait for that.

The conftest calls `tell_who_waits`, a test `until_somebody_waits`; the outer test makes the pipe.
"""

from __future__ import annotations

import functools
import os
import time

from pytest_pipeline.plugin.alone import lock

NAME = "waits.fifo"
_OPEN: list[int] = []


def tell_who_waits() -> None:
    lock.Pace = functools.partial(lock.Pace, sleep=_sleep)


def _sleep(seconds: float) -> None:
    if not _OPEN:
        _OPEN.append(os.open(NAME, os.O_RDWR))  # for writing alone it would need a reader
    time.sleep(seconds)


def until_somebody_waits() -> None:
    os.close(os.open(NAME, os.O_RDONLY))
