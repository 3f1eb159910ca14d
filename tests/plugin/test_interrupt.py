"""Ctrl-C in the middle: what was measured so far is in the report."""

from __future__ import annotations

import contextlib
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


@pytest.mark.parametrize("raised", ["KeyboardInterrupt", "pytest.exit.Exception('enough')"])
def test_what_was_measured_before_ctrl_c_in_the_rest_of_the_body_is_in_the_report(
    run, pytester, raised
):
    source = SOURCE.format(script="") + f"    raise {raised}\n"
    pytester.makepyfile("")
    with contextlib.suppress(KeyboardInterrupt):  # pytester passes it on
        run(source, "--pipeline-json=out.json")
    last = json.loads((pytester.path / "out.json").read_text())["tests"][-1]
    assert last["nodeid"] == "test_it.py::test_never"
    assert last["error"].startswith("interrupted (")
    assert last["runs"][0]["arms"][1]["speedup"]["value"] == 2.61


def test_a_run_that_is_skipped_from_inside_leaves_nothing_behind(run_both, pytester):
    result = run_both(SOURCE.format(script="skips"), "--pipeline-json=out.json")
    result.assert_outcomes(passed=2, skipped=1)
    tests = json.loads((pytester.path / "out.json").read_text())["tests"]
    assert {each["nodeid"].partition("::")[2] for each in tests} == {"test_before", "test_never"}
    result.stdout.fnmatch_lines(["pipeline: 2 gates: 2 met*(2 of 2 decided)"])


def test_a_run_that_fails_from_inside_is_no_interruption(run, pytester):
    run(SOURCE.format(script="fails"), "--pipeline-json=out.json").assert_outcomes(
        passed=2, failed=1
    )
    tests = json.loads((pytester.path / "out.json").read_text())["tests"]
    assert tests[1]["error"] == "Failed: row 3"
