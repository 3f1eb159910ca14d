"""What the plugin costs a project that has it installed and never uses it: CPU time of `pytest` on one empty test.

CPU time of the child (user + system) and not the clock: a neighbour delays the child and does not work for it. Runs
with and without the plugin alternate in pairs of random order, so that what drifts drifts for both; the difference of
each pair is what counts, and its median has an exact interval from order statistics.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from math import comb
from pathlib import Path
from statistics import median

from _tables import spread, table

WITH = ("-p", "pytest-pipeline")
"""Our entry point by its name; nothing else is loaded, so that the others' time is not in the noise."""
BARE = ("-p", "keyword")
"""A module without hooks. Any pytest looks through the entry points of all the installed packages when it starts; with autoload
off it does so only for a plugin that is named, and that search is none of our cost."""
PAIRS = 100
LIMIT_MS = 10.0
LEVEL = 0.99
COMMAND = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
IMPORTED = re.compile(r"import time:\s+(\d+) \|\s+\d+ \| +(pytest_pipeline\S*)")


def environment() -> dict[str, str]:
    """Return our own, with compiled modules: they are what an installed plugin starts from."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def cpu_ms(folder: str, *arguments: str) -> float:
    """Return user + system milliseconds of one pytest run in `folder`."""
    command = [*COMMAND, *arguments]
    child = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, env=environment())
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {child.returncode}")
    return (usage.ru_utime + usage.ru_stime) * 1e3


def own_imports_ms(folder: str) -> float:
    """Return what `-X importtime` counts for our own modules in one run, what they import apart."""
    command = [sys.executable, "-X", "importtime", *COMMAND[1:], *WITH]
    done = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, check=True
    )
    return sum(int(micros) for micros, _ in IMPORTED.findall(done.stderr)) / 1e3


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the bounds of the median with at least `LEVEL` confidence: two of the sorted values."""
    ordered, count, outside = sorted(values), len(values), 0.0
    rank = 0
    while outside + comb(count, rank) / 2**count <= (1 - LEVEL) / 2:
        outside += comb(count, rank) / 2**count
        rank += 1
    return ordered[max(0, rank - 1)], ordered[min(count - 1, count - rank)]


def startup_table() -> str:
    order = random.Random(0)
    times: dict[tuple[str, ...], list[float]] = {BARE: [], WITH: []}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_empty.py").write_text("def test_empty():\n    pass\n")
        for arguments in times:
            cpu_ms(folder, *arguments)
        for _ in range(PAIRS):
            for arguments in order.sample(list(times), 2):
                times[arguments].append(cpu_ms(folder, *arguments))
        imports = [own_imports_ms(folder) for _ in range(9)]
    extra = [here - there for here, there in zip(times[WITH], times[BARE], strict=True)]
    low, high = interval(extra)
    rows = [
        ["bare pytest", spread(times[BARE], " ms", 1), "", ""],
        ["with the plugin", spread(times[WITH], " ms", 1), "", ""],
        [
            f"median of the paired differences, {LEVEL:.0%} interval",
            f"{median(extra):.1f} ms ({low:.1f} to {high:.1f})",
            f"< {LIMIT_MS:g} ms",
            _answer(low, high),
        ],
        ["our own modules, -X importtime", spread(imports, " ms", 1), "", ""],
    ]
    return table([f"pytest on one empty test, {PAIRS} pairs", "CPU time", "required", "met"], rows)


def _answer(low: float, high: float) -> str:
    if high < LIMIT_MS:
        return "yes"
    return "NO" if low >= LIMIT_MS else "cannot be told: the interval holds the limit"


def tables() -> list[str]:
    return [startup_table()]


if __name__ == "__main__":
    print(*tables(), sep="\n\n")
