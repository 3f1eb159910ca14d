"""Real processes that meet: two pytest runs on one machine, and a file lock that a fixture keeps across tests."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
import waits_pipe
from xdist_suite import COMMAND

TWO_RUNS = """
import json, os, sys, time
from pathlib import Path
import pytest
from scripted import pytest_configure

def pytest_sessionstart(session):
    print("ready", flush=True)
    sys.stdin.readline()  # both begin at the same time

@pytest.fixture
def log():
    def log(kind):
        began = time.monotonic()
        time.sleep(0.05)
        with Path("events").open("a") as events:
            events.write(json.dumps([kind, began, time.monotonic(), os.getpid()]) + "\\n")
    return log
"""
SUITE = """
import pytest

@pytest.mark.parametrize("number", range(5))
def test_ordinary(log, number):
    log("ordinary")

@pytest.mark.parametrize("number", range(5))
def test_measuring(pipeline, log, number):
    log("measuring")
    pipeline.run(["met"], [])

@pytest.mark.parametrize("number", range(5))
def test_ordinary_again(log, number):
    log("ordinary")
"""


def test_two_runs_of_one_user_measure_alone_on_the_machine(pytester, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(pytester.mkdir("temporary")))
    pytester.makeconftest(TWO_RUNS)
    pytester.makepyfile(test_it=SUITE)
    command = [*COMMAND, "-s", "-p", "no:cacheprovider", "--pipeline-lock=machine"]
    runs = [
        subprocess.Popen(
            command,
            cwd=pytester.path,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for run in runs:
        assert "ready\n" in iter(run.stdout.readline, "")
    for run in runs:
        run.stdin.write("go\n")
        run.stdin.flush()
    for run in runs:
        output, _ = run.communicate(timeout=60)
        assert run.returncode == 0, output
    events = [json.loads(line) for line in (pytester.path / "events").read_text().splitlines()]
    assert len(events) == 30
    assert len({event[3] for event in events}) == 2
    assert [
        (one, other)
        for one in events
        for other in events
        if one[0] == "measuring" and one is not other and one[1] < other[2] and other[1] < one[2]
    ] == []


FILE_LOCK = """
import fcntl, functools
import pytest
import pytest_pipeline.plugin.alone.lock as lock
from scripted import CALLS, pytest_configure
from waits_pipe import tell_who_waits

lock.Patience = functools.partial(lock.Patience, guest_s=0.3)
tell_who_waits()

def say(what):
    with open("said", "a") as said:
        said.write(what + "\\n")

@pytest.fixture(scope="module")
def resource():
    with open("resource.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
        say("released")
"""
HOLDER = """
import os
from conftest import say
from waits_pipe import until_somebody_waits

def test_holds(resource):
    say("held")
    os.close(os.open("held.fifo", os.O_WRONLY))  # waits until the other file's test has come
    until_somebody_waits()  # the measuring test, for this one to end

def test_holds_still(resource):
    say("used")
"""
MEASURER = """
import os
import pytest
from conftest import CALLS, say

def test_meets_the_holder():
    os.close(os.open("held.fifo", os.O_RDONLY))

def test_measures(pipeline, resource):
    say("measured")
    pipeline.run(["met"], [])
    assert CALLS[-1]["company"] == ""
"""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_file_lock_that_a_fixture_holds_across_tests_stops_nobody_for_ever(pytester):
    """Its holder waits for the measuring test to end, which waits for the file lock: both would wait for ever."""
    pytester.makeconftest(FILE_LOCK)
    pytester.makepyfile(test_holder=HOLDER, test_measurer=MEASURER)
    for name in ("held.fifo", waits_pipe.NAME):
        os.mkfifo(pytester.path / name)
    result = pytester.run(*COMMAND, "-n2", "--dist=loadfile", timeout=60)
    result.assert_outcomes(passed=4)
    said = (pytester.path / "said").read_text().split()
    assert said.index("released") < said.index("measured")
    assert said == ["held", "used", "released", "measured", "released"]
