"""What being alone under pytest-xdist costs ordinary tests, and what it does for measuring ones (wanted: within 5 % of alone)."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

from _tables import spread, table

PROCESS = """
import sys, time
from pytest_pipeline.plugin.bytelocks import open_locks
from pytest_pipeline.plugin.lock import Exclusivity
path, role, inside_s, all_s = sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4])
one = Exclusivity(open_locks(path))
print("ready", flush=True)
ends = time.monotonic() + all_s
while time.monotonic() < ends:
    asked = time.monotonic()
    (one.share if role == "share" else one.be_alone)()
    print(asked, time.monotonic(), flush=True)
    time.sleep(inside_s)
    one.leave()
    if role != "share":
        time.sleep(0.03)
"""
PROJECT = """
import time
import pytest

def work(item):
    total = 0
    for number in range(60_000):
        total += number * item
    return total

@pytest.mark.parametrize("number", range({ordinary}))
def test_ordinary(number):
    ends = time.process_time() + 0.2
    while time.process_time() < ends:
        pass

@pytest.mark.executors("processes")
@pytest.mark.measure(budget="8s", max_rounds=8)
@pytest.mark.speedup(min=1.05)
@pytest.mark.parametrize("number", range({measuring}))
def test_measuring(pipeline, number):
    pipeline.run([work], list(range(40)))
"""


def uncontended_us(path: Path) -> list[float]:
    """Return microseconds for each ordinary test, of ten series."""
    from pytest_pipeline.plugin.bytelocks import open_locks
    from pytest_pipeline.plugin.lock import Exclusivity

    locks = open_locks(str(path))
    one, found = Exclusivity(locks), []
    for _ in range(10):
        began = time.perf_counter()
        for _ in range(5000):
            one.share()
            one.leave()
        found.append((time.perf_counter() - began) / 5000 * 1e6)
    locks.close()
    return found


def start(path: Path, role: str, inside_s: float, all_s: float) -> subprocess.Popen[str]:
    arguments = [str(path), role, str(inside_s), str(all_s)]
    command = [sys.executable, "-c", PROCESS, *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def waits_ms(path: Path) -> list[float]:
    """Return how long one that wants to be alone waits behind eight that share 20 ms at a time."""
    crowd = [start(path, "share", 0.02, 4.0) for _ in range(8)]
    output, _ = start(path, "alone", 0.001, 3.0).communicate()
    for each in crowd:
        each.communicate()
    pairs = (line.split() for line in output.splitlines())
    return [(float(began) - float(asked)) * 1e3 for asked, began in pairs]


def freed_ms(path: Path) -> float:
    """Return when another one is alone after the first one is killed."""
    killed = start(path, "alone", 600.0, 600.0)
    assert killed.stdout is not None
    killed.stdout.readline()
    other = start(path, "alone", 0.0, 0.01)
    time.sleep(0.2)
    before = time.monotonic()
    killed.kill()
    output, _ = other.communicate()
    killed.communicate()
    return (float(output.split()[1]) - before) * 1e3


def lock_table() -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "lock")
        free = uncontended_us(path)
        waits = waits_ms(path)
        freed = [freed_ms(path) for _ in range(7)]
    rows = [
        ["one ordinary test, nobody else there", spread(free, " us"), "< 5 us"],
        ["being alone behind 8 tests of 20 ms", spread(waits, " ms", 1), "< 50 ms"],
        ["the longest of these waits", f"{max(waits):.1f} ms", ""],
        ["alone after the one before was killed", spread(freed, " ms", 1), "< 10 ms"],
    ]
    return table(["lock", "time", "wanted"], rows)


class Measured(NamedTuple):
    """What the measuring tests of one run found in their clean rounds."""

    serial_ms: list[float]
    speedups: list[float]
    clean: str
    verdicts: str

    def row(self, alone: Measured) -> list[str]:
        """Return the cells, with the medians against those of `alone`."""
        return [
            spread(self.serial_ms, " ms", 1),
            _change(self.serial_ms, alone.serial_ms),
            spread(self.speedups, "x"),
            _change(self.speedups, alone.speedups),
            self.clean,
            self.verdicts,
        ]


def _change(here: list[float], alone: list[float]) -> str:
    return f"{median(here) / median(alone) - 1:+.1%}"


def measured(folder: str, ordinary: int, *options: str) -> Measured:
    """Run the project; `ordinary` busy tests come with the two that measure."""
    Path(folder, "test_it.py").write_text(PROJECT.format(ordinary=ordinary, measuring=2))
    output = Path(folder, "out.json")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    subprocess.run(
        [*command, f"--pipeline-json={output}", "--pipeline-report=off"],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,  # other plugins warn there about xdist
        check=False,
    )
    tests = json.loads(output.read_text())["tests"]
    rounds = [each for test in tests for run in test["runs"] for each in run["rounds"]]
    num_clean = sum(each["is_clean"] for each in rounds)
    clean = [each for each in rounds if each["is_clean"] or not num_clean]  # none: show all
    serial = [median(each["makespans_s"]["serial"]) * 1e3 for each in clean]
    ratios = [
        median(each["makespans_s"]["serial"]) / median(each["makespans_s"]["processes"])
        for each in clean
    ]
    verdicts = ", ".join(sorted(test["outcome"] for test in tests))
    share = f"{num_clean} of {len(rounds)}"
    return Measured(serial, ratios, share, verdicts)


def beside_table() -> str:
    """Compare measuring alone with measuring beside ordinary tests that use all the CPU they get."""
    cases = {
        "alone": (0, ()),
        "-n 2": (40, ("-n2",)),
        "-n 4": (40, ("-n4",)),
        "-n 2 --pipeline-lock=off": (40, ("-n2", "--pipeline-lock=off")),
    }
    with tempfile.TemporaryDirectory() as folder:
        found = {
            name: measured(folder, ordinary, *options)
            for name, (ordinary, options) in cases.items()
        }
    rows = [[name, *each.row(found["alone"])] for name, each in found.items()]
    header = ["2 measuring tests, 40 busy ordinary ones", "serial arm", "against alone", "speedup"]
    return table([*header, "against alone", "clean rounds", "verdicts"], rows)


def tables() -> list[str]:
    return [lock_table(), beside_table()]


if __name__ == "__main__":
    print(*tables(), sep="\n\n")
