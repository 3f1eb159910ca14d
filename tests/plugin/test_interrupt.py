"""Ctrl-C in the middle: what was measured so far is in the report."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

SOURCE = """
import pytest

@pytest.mark.speedup(min=2.0)
def test_before(pipeline):
    pipeline.run(["met"], [])

@pytest.mark.speedup(min=2.0)
def test_interrupted(pipeline):
    pipeline.run(["met {script}"], [])

@pytest.mark.speedup(min=2.0)
def test_never(pipeline):
    pipeline.run(["met"], [])
"""


def test_an_interrupted_comparison_is_in_the_report(run, pytester):
    pytester.makepyfile("")
    with pytest.raises(KeyboardInterrupt):
        run(SOURCE.format(script="ctrl-c"), "--pipeline-json=out.json")
    _check(pytester)


def test_ctrl_c_from_the_keyboard(run, pytester, until_waiting):
    run("def test_ordinary(): pass")  # writes the conftest
    pytester.makepyfile(test_it=SOURCE.format(script="waits"))
    command = [sys.executable, "-m", "pytest", "-p", "pytest_pipeline.plugin"]
    process = subprocess.Popen(
        [*command, "--pipeline-json=out.json"], stdout=subprocess.PIPE, text=True, cwd=pytester.path
    )
    until_waiting()
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=20)
    assert process.returncode == pytest.ExitCode.INTERRUPTED
    assert "pipeline: wrote out.json" in output
    _check(pytester)


def _check(pytester):
    tests = json.loads((pytester.path / "out.json").read_text())["tests"]
    assert [each["nodeid"].partition("::")[2] for each in tests] == [
        "test_before",
        "test_interrupted",
    ]
    assert tests[1]["error"] == "interrupted (KeyboardInterrupt)"
    assert tests[1]["runs"][0]["arms"][1]["speedup"]["value"] == 2.61
