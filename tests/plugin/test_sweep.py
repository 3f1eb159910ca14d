"""`pipeline.sweep` in a test: a frame for the user, a study in the report, no gate."""

from __future__ import annotations

import json

import pytest
from virtual_suite import run_study

STAGES = '[stage("fetch", .001), stage("parse", .002), stage("store", .001)], list(range(40))'


@pytest.fixture
def run(pytester):
    return lambda body, *options: run_study(pytester, body, *options)


def test_a_user_gets_one_row_per_setting_and_the_report_the_same_points(run, pytester):
    result = run(f"""
def test_it(pipeline, stage):
    frame = pipeline.sweep({STAGES}, workers=[1, 2])
    assert list(frame.workers) == [1, 2]
    assert frame.speedup[1] > frame.speedup[0] > 1.9
""")
    result.assert_outcomes(passed=1)
    (test,) = json.loads((pytester.path / "out.json").read_text())["tests"]
    assert test["outcome"] == "ungated"
    assert [point["workers"] for point in test["sweeps"][0]["points"]] == [1, 2]
    result.stdout.fnmatch_lines(["*Sweep of 2 settings: fastest is threads with workers=2*"])


def test_a_sweep_does_not_satisfy_a_gate(run):
    result = run(f"""
import pytest

@pytest.mark.speedup(min=2.0)
def test_it(pipeline, stage):
    pipeline.sweep({STAGES}, workers=[1])
""")
    result.stdout.fnmatch_lines(["*FAILED*test_it - *measured nothing*"])


def test_what_was_swept_before_ctrl_c_is_in_the_report(run, pytester):
    result = run("""
from pytest_pipeline import Stage

def test_it(pipeline, machine):
    from itertools import count
    calls = count()

    def work(item):
        if next(calls) > 2000:
            raise KeyboardInterrupt
        machine.work(.01)
        return item

    pipeline.sweep([Stage(work, name="work")], list(range(10)), workers=[1, 2, 3, 4, 5, 6, 7, 8])
""")
    result.stdout.no_fnmatch_line("*INTERNALERROR*")
    (test,) = json.loads((pytester.path / "out.json").read_text())["tests"]
    assert test["error"] == "interrupted (KeyboardInterrupt)"
    assert test["sweeps"][0]["points"]


def test_switched_off_runs_every_setting_once_and_times_nothing(run):
    result = run(
        f"""
def test_it(pipeline, stage):
    frame = pipeline.sweep({STAGES}, workers=[1, 2])
    assert len(frame) == 2
    assert frame.speedup.isna().all()
""",
        "--pipeline-off",
    )
    result.assert_outcomes(passed=1)


def test_a_grid_that_means_nothing_fails_at_the_users_line(run):
    result = run(f"""
def test_it(pipeline, stage):
    pipeline.sweep({STAGES}, workers=[])
""")
    result.stdout.fnmatch_lines(
        ["*UsageError: sweep(workers=[[][]]): expected a list of whole numbers*"]
    )
