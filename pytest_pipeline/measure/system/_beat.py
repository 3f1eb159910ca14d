"""The heartbeat process: run as a script by `heartbeat.py`, standard library only.

Usage: `_beat.py THRESHOLD_NS PARENT_PID`. It wakes every millisecond and keeps the last `MOST_GAPS`
intervals between two stamps that were longer than the threshold. A line on standard input is
answered with one line `start:end start:end ...` (nanoseconds); end of input ends it, and so does
the death of its parent, even when somebody else still holds the other end of the pipe.
"""

from __future__ import annotations

import os
import select
import sys
import time
from collections import deque

BEAT_S = 0.001
"""Time between two stamps on an idle machine."""

MOST_GAPS = 10_000
"""Gaps kept between two questions; older ones are dropped."""


def beat(threshold_ns: int, parent: int) -> None:
    """Stamp until input ends or the parent dies."""
    gaps: deque[tuple[int, int]] = deque(maxlen=MOST_GAPS)
    last = time.perf_counter_ns()
    _answer("ready")
    while os.getppid() == parent:
        readable, _, _ = select.select([0], [], [], BEAT_S)
        now = time.perf_counter_ns()
        if now - last > threshold_ns:
            gaps.append((last, now))
        last = now
        if not readable:
            continue
        if not os.read(0, 64):
            return
        _answer(" ".join(f"{began}:{ended}" for began, ended in gaps))
        gaps.clear()


def _answer(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    beat(int(sys.argv[1]), int(sys.argv[2]))
