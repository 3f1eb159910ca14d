"""Measuring tests are alone: real processes on a real lock file, with their clocks compared."""

from __future__ import annotations

import itertools
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest

SCRIPT = Path(__file__).with_name("lock_process.py")


class Visit(NamedTuple):
    role: str
    asked: float
    began: float
    ended: float
    in_company: bool


@pytest.fixture
def start(spawn, tmp_path):
    """Start one process that logs when it was inside."""
    numbers = itertools.count()

    def start(role: str, inside_s: float = 0.02, all_s: float = 60.0) -> subprocess.Popen[str]:
        log = tmp_path / f"log-{next(numbers)}"
        return spawn(SCRIPT, tmp_path / "lock", log, role, inside_s, all_s)

    return start


def visits(folder: Path) -> list[Visit]:
    found = []
    for log in sorted(folder.glob("log-*")):
        for line in log.read_text().splitlines():
            role, asked, began, ended, company = line.split()
            found.append(Visit(role, float(asked), float(began), float(ended), company == "1"))
    return found


def overlapping(found: list[Visit]) -> list[tuple[Visit, Visit]]:
    alone = [each for each in found if each.role != "share"]
    return [
        (one, other)
        for one in alone
        for other in found
        if other is not one and one.began < other.ended and other.began < one.ended
    ]


def test_nobody_is_inside_while_one_is_alone(start, tmp_path):
    roles = ["share", "share", "share", "alone", "measure"]
    processes = [start(role, 0.005, 2.0) for role in roles]
    assert [process.wait(30) for process in processes] == [0] * len(roles)
    found = visits(tmp_path)
    assert {each.role for each in found} == set(roles)
    assert overlapping(found) == []
    assert not any(each.in_company for each in found)


def test_a_crowd_does_not_starve_the_one_and_it_waits_for_one_test_only(start, tmp_path):
    crowd = [start("share", 0.02, 3.0) for _ in range(8)]
    writer = start("alone", 0.001, 1.5)
    assert writer.wait(30) == 0
    for process in crowd:
        assert process.wait(30) == 0
    found = visits(tmp_path)
    waits = [each.began - each.asked for each in found if each.role == "alone"]
    print(f"median wait {statistics.median(waits) * 1e3:.1f} ms, longest {max(waits) * 1e3:.1f} ms")
    assert len(waits) > 5
    assert statistics.median(waits) < 0.2  # < 0.05 on a quiet machine: 8 busy processes on 2 cores
    assert overlapping(found) == []


@pytest.mark.parametrize("victim", ["share", "alone", "measure"])
def test_a_killed_process_frees_its_place_at_once(start, tmp_path, victim):
    killed = start(victim, 600.0)
    assert killed.stdout.readline() == "in\n"
    other = start("alone", 0.001, 0.01)
    time.sleep(0.3)
    assert other.poll() is None
    before = time.monotonic()
    killed.kill()
    assert other.wait(10) == 0
    freed_s = visits(tmp_path)[0].began - before
    print(f"freed after {freed_s * 1e3:.1f} ms")
    assert freed_s < 0.5  # < 0.03 on a quiet machine: one pause of the waiting process


@pytest.mark.skipif(sys.platform == "win32", reason="counts calls of fcntl")
def test_an_ordinary_test_pays_three_system_calls(tmp_path, monkeypatch):
    """Their time is in `benchmarks/bench_lock.py`: under 5 us in all."""
    from pytest_pipeline.plugin.alone import posix_locks
    from pytest_pipeline.plugin.alone.lock import Exclusivity

    one, calls = Exclusivity(posix_locks.PosixLocks(str(tmp_path / "lock"), print)), []

    def lockf(*arguments: int) -> None:
        calls.append(arguments)
        kept(*arguments)

    kept = posix_locks.fcntl.lockf
    monkeypatch.setattr(posix_locks.fcntl, "lockf", lockf)
    one.share()
    one.leave()
    monkeypatch.undo()
    one.close()
    assert len(calls) == 3
