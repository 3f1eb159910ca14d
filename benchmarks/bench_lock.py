"""What being alone under pytest-xdist costs ordinary tests, and what it does for measuring ones. Under four minutes."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from _tables import spread, table

PROCESS = """
import sys, time
from pytest_pipeline.plugin.alone.bytelocks import open_bell, open_locks
from pytest_pipeline.plugin.alone.lock import Exclusivity
path, role, inside_s, all_s = sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4])
one = Exclusivity(open_locks(path), bell=open_bell(path))
print("ready", flush=True)
ends = time.monotonic() + all_s
while time.monotonic() < ends:
    asked = time.monotonic()
    (one.share if role == "share" else one.be_alone)()
    if role == "measure":
        one.measuring().__enter__()
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

@pytest.mark.executors("processes")
@pytest.mark.measure(budget="5s", max_rounds=4)
@pytest.mark.speedup(min=1.05)
def test_measuring(pipeline):
    pipeline.run([work], list(range(40)))

@pytest.mark.parametrize("number", range({ordinary}))
def test_ordinary(number):
    ends = time.process_time() + 0.1
    while time.process_time() < ends:
        pass
"""
PASSES = 5
ENOUGH_S = 150.0
"""No new pass is begun after so many seconds: on a busy machine each takes longer."""
CLOSE = 0.05
"""Largest change of a median beside other tests that counts as measuring alone."""


def uncontended_us(path: Path) -> list[float]:
    """Return microseconds of CPU for each ordinary test, of twenty series: nobody is waited for."""
    from pytest_pipeline.plugin.alone.bytelocks import open_locks
    from pytest_pipeline.plugin.alone.lock import Exclusivity

    one, found = Exclusivity(open_locks(str(path))), []
    for _ in range(20):
        began = time.process_time()
        for _ in range(5000):
            one.share()
            one.leave()
        found.append((time.process_time() - began) / 5000 * 1e6)
    one.close()
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


def freed_ms(path: Path, waiter: str) -> float:
    """Return when another one is in after the one that measured was killed."""
    killed = start(path, "measure", 600.0, 600.0)
    assert killed.stdout is not None
    killed.stdout.readline()
    other = start(path, waiter, 0.0, 0.001)
    time.sleep(0.4)
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
        freed = {role: [freed_ms(path, role) for _ in range(9)] for role in ("share", "alone")}
    rows = [
        ["one ordinary test, nobody else there (CPU)", *against(free, " us", 5, 2)],
        [f"being alone behind 8 tests of 20 ms, {len(waits)} times", *against(waits, " ms", 50)],
        ["the longest of these waits", f"{max(waits):.1f} ms", "", ""],
        [
            "an ordinary test, after the measuring one was killed",
            *against(freed["share"], " ms", 10),
        ],
        [
            "a measuring test, after the measuring one was killed",
            *against(freed["alone"], " ms", 10),
        ],
    ]
    return table(["lock", "time", "required", "met"], rows)


def against(values: Sequence[float], unit: str, limit: float, digits: int = 1) -> list[str]:
    """Return three cells: median with quartiles, what is required of the median, and whether it is met."""
    return [spread(values, unit, digits), f"< {limit:g}{unit}", yes(median(values) < limit)]


def yes(is_met: bool) -> str:
    return "yes" if is_met else "NO"


class Measured:
    """Clean rounds of the measuring test, over all the runs of one case."""

    def __init__(self) -> None:
        self.serial_ms: list[float] = []
        self.speedups: list[float] = []
        self.rounds = 0

    def add(self, document: dict) -> None:
        """Take what one run wrote."""
        rounds = [
            each for test in document["tests"] for run in test["runs"] for each in run["rounds"]
        ]
        self.rounds += len(rounds)
        for each in rounds:
            if each["is_clean"]:
                serial = median(each["makespans_s"]["serial"])
                self.serial_ms.append(serial * 1e3)
                self.speedups.append(serial / median(each["makespans_s"]["processes"]))

    def row(self, alone: Measured, required: str) -> list[str]:
        """Return the cells, with the medians against those of `alone`."""
        clean = f"{len(self.serial_ms)} of {self.rounds}"
        if not self.serial_ms or not alone.serial_ms:
            return ["", "", "", "", clean, required, "cannot be told: no clean round"]
        changes = [
            median(here) / median(there) - 1
            for here, there in (
                (self.serial_ms, alone.serial_ms),
                (self.speedups, alone.speedups),
            )
        ]
        return [
            spread(self.serial_ms, " ms", 1),
            f"{changes[0]:+.1%}",
            spread(self.speedups, "x"),
            f"{changes[1]:+.1%}",
            clean,
            required,
            yes(max(map(abs, changes)) <= CLOSE) if required else "",
        ]


def measure(into: Measured, ordinary: int, *options: str) -> None:
    """Run the project once; `ordinary` busy tests come with the one that measures."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:randomly",
        *options,
    ]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_it.py").write_text(PROJECT.format(ordinary=ordinary))
        output = Path(folder, "out.json")
        subprocess.run(
            [*command, f"--pipeline-json={output}", "--pipeline-report=off"],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # other plugins warn there about xdist
            check=False,
        )
        if not output.exists():
            raise SystemExit(
                f"{' '.join(command)} wrote no results: is the package installed here?"
            )
        into.add(json.loads(output.read_text()))


def beside_table() -> str:
    """Compare measuring alone with measuring beside ordinary tests that use all the CPU they get.

    The cases take turns, in random order: what drifts on the machine drifts for all of them.
    """
    cases = {
        "alone": (0, (), ""),
        "-n 2": (60, ("-n2",), "within 5 %"),
        "-n 4": (60, ("-n4",), "within 5 %"),
        "-n 2 --pipeline-lock=off": (60, ("-n2", "--pipeline-lock=off"), ""),
    }
    found = {name: Measured() for name in cases}
    order = random.Random(0)
    ends = time.monotonic() + ENOUGH_S
    for _ in range(PASSES):
        if time.monotonic() > ends:
            break
        for name in order.sample(list(cases), len(cases)):
            ordinary, options, _ = cases[name]
            measure(found[name], ordinary, *options)
    rows = [[name, *each.row(found["alone"], cases[name][2])] for name, each in found.items()]
    header = [
        "a measuring test and 60 busy ordinary ones",
        "serial arm",
        "against alone",
        "speedup",
    ]
    return table([*header, "against alone", "clean rounds", "required", "met"], rows)


def tables() -> list[str]:
    return [lock_table(), beside_table()]


if __name__ == "__main__":
    print(lock_table(), flush=True)
    print(f"\n{beside_table()}")
