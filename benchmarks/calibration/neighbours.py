"""Neighbours: processes of their own that disturb the machine, and that end whatever happens to us.

A neighbour is no descendant of ours, as little as a real one: the CPU time of a child counts as our own. It reads its
standard input in a thread and ends when that pipe breaks, so that even when we are killed none is left behind.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

READY = "ready"
_BLOCK = bytes(range(256)) * 32
_MEBIBYTE = 1 << 20


def _spin(until: float) -> None:
    while time.monotonic() < until:
        zlib.compress(_BLOCK, 6)


def _copy_memory(until: float) -> None:
    import numpy as np

    source = np.ones(64 * _MEBIBYTE, dtype=np.uint8)
    target = np.empty_like(source)
    while time.monotonic() < until:
        np.copyto(target, source)


def _write_disk(until: float) -> None:
    chunk = os.urandom(_MEBIBYTE)
    with tempfile.TemporaryFile(dir=Path(__file__).parent) as file:  # /tmp is often memory
        while time.monotonic() < until:
            file.seek(0)
            for _ in range(16):
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())


KINDS: dict[str, tuple[Callable[[float], None], tuple[float, float], tuple[float, float]]] = {
    "on-off": (_spin, (1.0, 4.0), (1.0, 4.0)),
    "bursts": (_spin, (0.05, 0.3), (0.05, 0.5)),
    "permanent": (_spin, (3600.0, 3600.0), (0.0, 0.0)),
    "memory": (_copy_memory, (1.0, 4.0), (1.0, 4.0)),
    "disk": (_write_disk, (1.0, 4.0), (1.0, 4.0)),
}
"""Kind -> what it does, and for how many seconds (from, to) it is on and off."""


@contextlib.contextmanager
def neighbour(kind: str, seed: int) -> Iterator[int | None]:
    """Keep a neighbour running inside the block; yields its process id, or None for `none`."""
    if kind == "none":
        yield None
        return
    launcher = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.calibration.neighbours", kind, str(seed)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with launcher:
        assert launcher.stdout is not None
        ready, _, pid = launcher.stdout.readline().strip().partition(" ")
        launcher.wait()
        if ready != READY:
            raise RuntimeError(f"the neighbour {kind!r} did not start")
        try:
            yield int(pid)
        finally:
            os.kill(int(pid), signal.SIGKILL)
            launcher.stdout.read()  # its end closes the pipe


def _end_with_the_parent() -> None:
    sys.stdin.read()
    os._exit(0)


def main(kind: str, seed: int) -> None:
    """Leave the family of who started us, and disturb until that one ends."""
    if os.fork():
        os._exit(0)
    os.setsid()
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    disturb, on, off = KINDS[kind]
    draw = random.Random(seed)
    print(READY, os.getpid(), flush=True)
    if draw.random() < 0.5 and off[1]:
        time.sleep(draw.uniform(*off))
    while True:
        disturb(time.monotonic() + draw.uniform(*on))
        time.sleep(draw.uniform(*off))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
