"""The spinner process: run as a script by `load.py`, standard library only.

Usage: `_spin.py PARENT_PID`. It compresses at idle priority while told to: `+` on standard input starts, `-`
stops, end of input ends it, and so does the death of its parent. Linux gives an idle-priority process
a core only while nobody else wants it.
"""

from __future__ import annotations

import os
import select
import sys
import zlib

assert sys.platform == "linux"

WATCH_S = 0.5
"""How often a resting spinner looks whether its parent still lives."""

_BLOCK = bytes((i * i * 31 + i // 7) & 0xFF for i in range(40_000))


def spin(parent: int) -> None:
    """Follow the commands until input ends or the parent dies."""
    # Ready first: on a busy machine a process of idle priority would hardly get to say so.
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    is_spinning = False
    while os.getppid() == parent:
        readable, _, _ = select.select([0], [], [], 0 if is_spinning else WATCH_S)
        if readable:
            commands = os.read(0, 64)
            if not commands:
                return
            is_spinning = commands.endswith(b"+")
        if is_spinning:
            zlib.compress(_BLOCK, 6)


if __name__ == "__main__":
    spin(int(sys.argv[1]))
