"""What the plugin costs a project that has it installed and never uses it: CPU time of `pytest` on one empty test."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from _tables import spread, table

WITHOUT = ("-p", "no:pytest-pipeline")
"""Blocks our entry point before it is imported; every other plugin stays."""


def cpu_s(folder: str, *arguments: str) -> float:
    """Return user + system seconds of one pytest run in `folder`."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    # Compiled modules are what an installed plugin starts from.
    environ = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    child = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, env=environ)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {child.returncode}")
    return usage.ru_utime + usage.ru_stime


def startup_table(runs: int = 15) -> str:
    """Interleave runs with and without the plugin, in random order."""
    order = random.Random(0)
    times: dict[tuple[str, ...], list[float]] = {(): [], WITHOUT: []}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_empty.py").write_text("def test_empty():\n    pass\n")
        for arguments in times:
            cpu_s(folder, *arguments)
        for _ in range(runs):
            for arguments in order.sample(list(times), 2):
                times[arguments].append(cpu_s(folder, *arguments) * 1e3)
    extra = [here - there for here, there in zip(times[()], times[WITHOUT], strict=True)]
    rows = [
        ["without the plugin", spread(times[WITHOUT], " ms", 1)],
        ["with the plugin", spread(times[()], " ms", 1)],
        ["difference, run by run", spread(extra, " ms", 1)],
        ["difference of the medians", f"{median(times[()]) - median(times[WITHOUT]):.1f} ms"],
    ]
    return table([f"pytest on one empty test, {runs} runs each", "CPU time"], rows)


def tables() -> list[str]:
    return [startup_table()]


if __name__ == "__main__":
    print(*tables(), sep="\n\n")
