"""A small process of ours beside the measurement: standard library only, talked to through two pipes."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import time
from pathlib import Path

ANSWER_S = 5.0
"""How long an answer is waited for before the process is given up."""


def start_helper(script: str, *arguments: str) -> HelperProcess | None:
    """Return the process that runs `script` once it is ready; None when it cannot be started."""
    try:
        helper = HelperProcess(script, *arguments)
    except OSError:
        return None
    try:
        if helper.is_ready():
            return helper
    except BaseException:  # Ctrl-C while waiting: nobody else knows this process
        helper.close()
        raise
    helper.close()
    return None


class HelperProcess:
    """One of the scripts beside this file, running; it ends when its input does or its parent dies.

    The script gets `arguments` and, last, the id of this process; its first line is `ready`. Whatever
    goes wrong with it, `is_alive` turns false and it answers with empty lines.
    """

    def __init__(self, script: str, *arguments: str) -> None:
        # Isolated and without site: no user code, no .pth file and no environment variable gets in.
        command = [sys.executable, "-I", "-S", str(Path(__file__).with_name(script)), *arguments]
        self._process = subprocess.Popen(
            [*command, str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
        self._rest = b""
        self.is_alive = True

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def is_ready(self) -> bool:
        """Wait for its first line, `ANSWER_S` at most."""
        self.is_alive = self.line() == b"ready"
        return self.is_alive

    def send(self, text: bytes) -> None:
        """Write to its input; harmless when it is gone."""
        assert self._process.stdin is not None
        if not self.is_alive:
            return
        try:
            self._process.stdin.write(text)
        except OSError:
            self.is_alive = False

    def line(self) -> bytes:
        """Return one line without its end; empty, and no longer alive, when none comes in time."""
        if sys.platform == "win32":
            return b""  # no helper is started there
        assert self._process.stdout is not None
        deadline = time.monotonic() + ANSWER_S
        poller = select.poll()  # select() refuses descriptors above 1023
        poller.register(self._process.stdout, select.POLLIN)
        while self.is_alive and b"\n" not in self._rest:
            left_s = max(0.0, deadline - time.monotonic())
            part = b""
            if poller.poll(left_s * 1000):
                part = os.read(self._process.stdout.fileno(), 65_536)
            self.is_alive = bool(part)
            self._rest += part
        line, end, rest = self._rest.partition(b"\n")
        if not end:
            return b""
        self._rest = rest
        return line

    def close(self) -> None:
        """Kill it, since it holds nothing that needs tidying; harmless when repeated."""
        self.is_alive = False
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(ANSWER_S)
