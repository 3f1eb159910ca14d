"""A heartbeat beside latency blocks tells when a process that wanted a core got none.

A process of its own stamps `CLOCK_MONOTONIC` every millisecond. An interval much longer than that
is a gap: somebody held every core, and an item in service then was late through no fault of its own
(project's study, A9.9). It has to be another process, since a thread would wait for the GIL instead.

Where it runs: Linux, whose `perf_counter` is `CLOCK_MONOTONIC` for all processes of a host. macOS and
Windows promise nothing about comparing it between processes; there is no heartbeat, and nothing
is excused. It costs 2.6 % of one core and 10 MB while it runs
(measured on a shared 2-core VM), and it runs during latency phases only.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Protocol

Gap = tuple[int, int]
"""Start and end of an interval without a beat, clock readings in nanoseconds."""

FINEST_S = 0.003
"""Shortest gap that means anything: idle machines wake a sleeper up to 2 ms late."""

ANSWER_S = 5.0
"""How long an answer is waited for before the heartbeat is given up."""

_SCRIPT = Path(__file__).with_name("_beat.py")


class Heartbeat(Protocol):
    """Notes when a process that wanted a core got none."""

    def gaps(self) -> list[Gap]:
        """Return the gaps since the last call (or the start), in order."""
        ...

    def close(self) -> None:
        """End it; harmless when repeated."""
        ...


def start_heartbeat(threshold_s: float) -> Heartbeat | None:
    """Start a heartbeat that notes gaps longer than `threshold_s` (at least `FINEST_S`).

    Returns None where the processes of a host do not share `perf_counter`, or when it cannot start.
    """
    if not has_shared_clock() or not _SCRIPT.is_file():
        return None
    heartbeat = HeartbeatProcess(max(FINEST_S, threshold_s))
    if heartbeat.is_alive:
        return heartbeat
    heartbeat.close()
    return None


def has_shared_clock() -> bool:
    """Whether `perf_counter` readings of two processes of this host may be compared."""
    if not sys.platform.startswith("linux"):
        return False
    return "CLOCK_MONOTONIC" in time.get_clock_info("perf_counter").implementation


class HeartbeatProcess:
    """The process and the pipe to it. Whatever goes wrong with it, nothing is excused any more."""

    def __init__(self, threshold_s: float) -> None:
        # Isolated and without site: no user code, no .pth file and no environment variable gets in.
        command = [sys.executable, "-I", "-S", str(_SCRIPT)]
        self._process = subprocess.Popen(
            [*command, str(round(threshold_s * 1e9)), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
        self._rest = b""
        self.is_alive = self._line() == b"ready"

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def gaps(self) -> list[Gap]:
        """Return the gaps since the last call."""
        if not self.is_alive:
            return []
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(b"?\n")
        except OSError:
            self.is_alive = False
            return []
        pairs = (text.split(b":") for text in self._line().split())
        return [(int(began), int(ended)) for began, ended in pairs]

    def close(self) -> None:
        """End the process: the end of its input is enough, a stuck one is killed."""
        self.is_alive = False
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                _close(pipe)
        try:
            self._process.wait(ANSWER_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _line(self) -> bytes:
        """Return one line without its end; empty, and no longer alive, when none comes in time."""
        assert self._process.stdout is not None
        deadline = time.monotonic() + ANSWER_S
        poller = select.poll()  # select() refuses descriptors above 1023
        poller.register(self._process.stdout, select.POLLIN)
        while b"\n" not in self._rest:
            left_s = max(0.0, deadline - time.monotonic())
            if not poller.poll(left_s * 1000):
                break
            part = os.read(self._process.stdout.fileno(), 65_536)
            if not part:
                break
            self._rest += part
        line, end, self._rest = self._rest.partition(b"\n")
        if not end:
            self.is_alive = False
            return b""
        return line


def _close(pipe: IO[bytes]) -> None:
    with contextlib.suppress(OSError):
        pipe.close()
