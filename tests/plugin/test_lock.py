"""Measuring tests are alone: real processes on a real lock file, with their clocks compared."""

from __future__ import annotations

import itertools
import statistics
import subprocess
import sys
import time
from collections import Counter
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
    log: str


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
            found.append(Visit(role, *map(float, (asked, began, ended)), company == "1", log.name))
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
    crowd = [start("share", 0.02) for _ in range(8)]
    writer = start("alone", 0.001, 30.0)
    said = [writer.stdout.readline() for _ in range(12)]
    for process in (writer, *crowd):
        process.kill()
        process.wait()
    assert (
        said.count("in\n") >= 11
    )  # the other line says that it waits; starved, it ends when the crowd does
    found = visits(tmp_path)
    waits = [each for each in found if each.role == "alone"]
    assert len(waits) >= 10
    # One may begin between the question and the gate; behind the gate nobody does.
    assert statistics.median(most_begun_during(each, found) for each in waits) <= 1
    assert overlapping(found) == []


def most_begun_during(wait: Visit, found: list[Visit]) -> int:
    """Return how many tests of one process began while `wait` went on, of the process with the most."""
    begun = Counter(each.log for each in found if wait.asked < each.began < wait.began)
    return max(begun.values(), default=0)


@pytest.mark.parametrize("victim", ["share", "alone", "measure"])
def test_a_killed_process_frees_its_place(start, tmp_path, victim):
    killed = start(victim, 600.0)
    assert killed.stdout.readline() == "in\n"
    other = start("alone", 0.001, 0.01)
    assert other.stdout.readline() == "waits\n"
    before = time.monotonic()
    killed.kill()
    assert other.wait(30) == 0
    assert visits(tmp_path)[0].began > before


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
