"""Whatever ends a session early or runs a test twice: each complete result is kept once, nothing else is."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from importlib.util import find_spec

import pytest

COMMAND = [sys.executable, "-m", "pytest", "-p", "pytest_pipeline.plugin", "-p", "xdist.plugin"]
OPTIONS = ("--pipeline-history=past.sqlite", "--pipeline-json=out.json")
GATE = """
import os
import pytest

@pytest.mark.speedup(min=2.0)
@pytest.mark.parametrize("script", {scripts})
def test_gate(pipeline, script):
    pipeline.run([script], [])
"""
TWO_WORKERS = ("--tx=2*popen", "--dist=each")
DIES_IN_ONE = """
import os
import pytest

@pytest.mark.speedup(min=2.0)
def test_gate(pipeline):
    is_dying = os.environ.get("PYTEST_XDIST_WORKER") == "gw1"
    pipeline.run(["met dies" if is_dying else "met"], [])
"""
SECOND_TIME_BETTER = """
import pytest
SCRIPTS = ["missed", "met"]

@pytest.mark.speedup(min=2.0)
def test_gate(pipeline):
    pipeline.run([SCRIPTS.pop(0)], [])

@pytest.mark.speedup(min=2.0)
def test_other(pipeline):
    pipeline.run(["met"], [])
"""
DIES_ONCE = """
import pathlib
import pytest

@pytest.mark.speedup(min=2.0)
def test_gate(pipeline):
    flag = pathlib.Path("died")
    is_second = flag.exists()
    flag.touch()
    pipeline.run(["met" if is_second else "met dies"], [])
"""


@pytest.fixture
def go(pytester):
    """Run `source` with the scripted `compare`, its results kept in `past.sqlite`."""

    def go(source, *options):
        pytester.makeconftest("from scripted import pytest_configure")
        pytester.makepyfile(test_it=source)
        return pytester.run(*COMMAND, *OPTIONS, *options, timeout=60)

    return go


def kept(pytester):
    """Return test and verdict of every record, as written; all are of one session."""
    connection = sqlite3.connect(pytester.path / "past.sqlite")
    rows = connection.execute("SELECT nodeid, verdict, session FROM records ORDER BY id").fetchall()
    connection.close()
    assert len({session for _, _, session in rows}) == 1
    return [(nodeid.partition("::")[2], verdict) for nodeid, verdict, _ in rows]


def complete(pytester):
    """Return test and verdict of every complete test in the report of the same session."""
    tests = json.loads((pytester.path / "out.json").read_text())["tests"]
    return [
        (each["nodeid"].partition("::")[2], each["outcome"]) for each in tests if not each["error"]
    ]


def test_a_test_that_every_worker_runs_is_kept_once(go, pytester):
    result = go(GATE.format(scripts=["met", "missed"]), *TWO_WORKERS)
    result.assert_outcomes(passed=2, failed=2)
    assert kept(pytester) == [("test_gate[met]", "met"), ("test_gate[missed]", "missed")]
    document = json.loads((pytester.path / "out.json").read_text())
    assert [len(each.get("history", [])) for each in document["tests"]] == [0, 1, 0, 1]


def test_where_one_of_two_workers_dies_the_result_of_the_other_is_kept(go, pytester):
    go(DIES_IN_ONE, *TWO_WORKERS, "--max-worker-restart=0")
    assert kept(pytester) == [("test_gate", "met")]


@pytest.mark.skipif(find_spec("pytest_rerunfailures") is None, reason="needs pytest-rerunfailures")
def test_of_a_test_that_was_run_again_the_last_attempt_is_kept(go, pytester):
    result = go(SECOND_TIME_BETTER, "-p", "rerunfailures", "--reruns=1", "-n2")
    assert result.parseoutcomes() == {"passed": 2, "rerun": 1}
    assert kept(pytester) == [("test_gate", "met"), ("test_other", "met")]


def test_a_worker_that_dies_costs_the_test_it_was_in_and_no_other(go, pytester):
    result = go(GATE.format(scripts=["met", "met dies", "missed"]), "-n2")
    result.assert_outcomes(passed=1, failed=2)
    assert kept(pytester) == [("test_gate[met]", "met"), ("test_gate[missed]", "missed")]


def test_a_test_that_killed_its_worker_and_then_passed_is_kept_once(go, pytester):
    go(DIES_ONCE, "-n2", "--dist=loadfile", "--max-worker-restart=1")
    assert [each for each in complete(pytester) if each[1] == "met"] == [("test_gate", "met")]
    assert kept(pytester) == [("test_gate", "met")]


@pytest.mark.parametrize("options", [(), ("-n1",)])
def test_ctrl_c_keeps_what_was_complete_and_not_what_it_interrupted(
    go, pytester, until_waiting, options
):
    pytester.makeconftest("from scripted import pytest_configure")
    pytester.makepyfile(test_it=GATE.format(scripts=["met", "missed", "met waits", "near"]))
    process = subprocess.Popen(
        [*COMMAND, *OPTIONS, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=pytester.path,
        start_new_session=True,
    )
    until_waiting()
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == pytest.ExitCode.INTERRUPTED, output
    assert output.count("pipeline: wrote past.sqlite") == 1
    assert kept(pytester) == [("test_gate[met]", "met"), ("test_gate[missed]", "missed")]
