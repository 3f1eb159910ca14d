"""`pipeline.tune` in a test: a record for the user, a table in the report, no gate."""

from __future__ import annotations

import json

import pytest
from virtual_suite import run_study

STAGES = '[stage("fetch", .001), stage("parse", .002), stage("store", .001)], list(range(40))'


@pytest.fixture
def run(pytester):
    return lambda body, *options: run_study(pytester, body, *options)


def test_a_user_gets_the_best_setting_and_the_report_everything_tried(run, pytester):
    result = run(f"""
def test_it(pipeline, stage):
    tuning = pipeline.tune({STAGES}, most_workers=4, budget="30s")
    assert tuning.best.code == "Stage(parse, workers=2)"
    assert tuning.best.speedup.value > 1.5
""")
    result.assert_outcomes(passed=1)
    (test,) = json.loads((pytester.path / "out.json").read_text())["tests"]
    assert test["outcome"] == "ungated"
    (tuning,) = test["tunings"]
    assert tuning["best"]["change"]["workers"] == {"parse": 2}
    assert tuning["is_complete"]
    result.stdout.fnmatch_lines(["*Tuned over * settings: best is threads with workers parse 2*"])


def test_a_search_does_not_satisfy_a_gate(run):
    result = run(f"""
import pytest

@pytest.mark.speedup(min=2.0)
def test_it(pipeline, stage):
    pipeline.tune({STAGES}, most_workers=4)
""")
    result.stdout.fnmatch_lines(["*FAILED*test_it - *measured nothing*"])


def test_what_was_measured_before_ctrl_c_is_in_the_report(run, pytester):
    result = run("""
from pytest_pipeline import Stage

def test_it(pipeline, machine, monkeypatch):
    workers = 1

    def work(item):
        machine.work(.01)
        return item

    def stop():
        if "settings)" in heard[-1]:
            raise KeyboardInterrupt

    heard = [""]
    from pytest_pipeline.plugin.measuring.progress import RunObserver
    monkeypatch.setattr(RunObserver, "progress", lambda self, text: heard.append(text))
    pipeline.tune([Stage(work, name="work")], list(range(10)), setup=stop)
""")
    result.stdout.no_fnmatch_line("*INTERNALERROR*")
    (test,) = json.loads((pytester.path / "out.json").read_text())["tests"]
    assert test["error"] == "interrupted (KeyboardInterrupt)"
    assert test["tunings"][0]["reason"] == "interrupted"
    assert test["tunings"][0]["num_predicted"] > 10


def test_a_search_that_means_nothing_fails_at_the_users_line(run):
    result = run(f"""
def test_it(pipeline, stage):
    pipeline.tune({STAGES}, batch_size=[8])
""")
    result.stdout.fnmatch_lines(["*UsageError: tune(batch_size=[[]8[]]): no stage takes batches*"])
