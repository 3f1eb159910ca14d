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


@pytest.mark.parametrize("study", ["sweeping.sweep", "tuning.tune"])
def test_the_budget_of_the_command_line_beats_the_one_that_a_study_is_passed(run, pytester, study):
    name = study.partition(".")[2]
    body = f"""
import pytest

def test_it(pipeline, monkeypatch):
    import pytest_pipeline.sweeping, pytest_pipeline.tuning
    budgets = []

    def study(*_, budget_s, **options):
        budgets.append(budget_s)
        raise ZeroDivisionError

    monkeypatch.setattr("pytest_pipeline.{study}", study)
    with pytest.raises(ZeroDivisionError):
        pipeline.{name}([len], ["a"], budget="50s")
    assert budgets == [{{budget}}]
"""
    run(body.format(budget=7), "--pipeline-budget=7s").assert_outcomes(passed=1)
    pytester.makeini("[pytest]\npipeline_budget = 7s")
    run(body.format(budget=50)).assert_outcomes(passed=1)
