"""What a failing test says about the change that would help, and what a passing one says about caches."""

from __future__ import annotations

import json

import pytest
from virtual_suite import CONFTEST, run_nested

ONE_WORKER = """
@pytest.mark.speedup(min={limit})
def test_orders(pipeline, stage):
    pipeline.run([stage("fetch", .001), stage("parse", .002), stage("store", .001)], list(range(40)))
"""

CACHED = """
def test_orders(pipeline, machine):
    seen = set()
    def load(item):
        machine.work(.002 if item in seen else .040)
        seen.add(item)
        return item
    pipeline.run([load], list(range(40)))
"""

GIL = """
@pytest.mark.speedup(min=1.9)
def test_orders(pipeline, stage):
    pipeline.run([stage("parse", .002), stage("store", .002)], list(range(40)))
"""


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")


def test_the_failure_text_names_the_code_to_write_and_the_number_it_reaches(pytester):
    source = ONE_WORKER.format(limit=3.0)
    result = run_nested(pytester, source)
    result.stdout.fnmatch_lines(["*next: Stage(parse, workers=2) is predicted to reach 3.72x"])


def test_a_limit_that_no_change_reaches_is_called_so_with_the_best_one(pytester):
    source = ONE_WORKER.format(limit=9.0)
    result = run_nested(pytester, source)
    result.stdout.fnmatch_lines(
        ["*next: Stage(parse, workers=2) is predicted to reach 3.72x, short of 9.00x"]
    )


def test_processes_are_proposed_for_stages_that_hold_the_gil(pytester):
    held = (
        CONFTEST.replace("FakeMachine()", 'FakeMachine(gil_shares={"parse": 1.0, "store": 1.0})')
        .replace(
            'VirtualExecutor("threads", machine)',
            'VirtualExecutor("threads", machine, slowdown=lambda _: 2.0, cpu_share=1.0)',
        )
        .replace("overlaps=False)", "overlaps=False, cpu_share=1.0)")
    )
    result = run_nested(pytester, GIL, conftest=held)
    result.stdout.fnmatch_lines(
        [
            "*takes 2.0x as long per item as in the baseline*'parse' holds the GIL for 100 % of its service time",
            '*next: executors=[[]"processes"[]] is predicted to reach 1.9*',
        ]
    )


def test_the_predictions_stand_in_the_json_and_the_report(pytester):
    source = ONE_WORKER.format(limit=3.0)
    run_nested(pytester, source, "--pipeline-report=r.html", "--pipeline-json=r.json")
    (test,) = json.loads((pytester.path / "r.json").read_text("utf-8"))["tests"]
    (threads,) = [arm for arm in test["runs"][0]["arms"] if arm["executor"] == "threads"]
    assert threads["what_ifs"][0]["predicted_speedup"] > 3.0
    page = (pytester.path / "r.html").read_text("utf-8")
    assert "reaches it (3.00x)" in page


def test_a_cache_is_named_in_the_terminal_and_in_the_report(pytester):
    result = run_nested(pytester, CACHED, "--pipeline-report=r.html")
    result.stdout.fnmatch_lines(
        ["*test_orders: stage 'load' took 40 ms per item in the first execution and 2.0 ms later*"]
    )
    page = (pytester.path / "r.html").read_text("utf-8")
    assert "took 40 ms per item in the first execution and 2.0 ms later: a cache" in page


def test_switched_off_nothing_is_predicted(pytester):
    source = ONE_WORKER.format(limit=3.0)
    run_nested(pytester, source, "--pipeline-off", "--pipeline-json=r.json")
    (test,) = json.loads((pytester.path / "r.json").read_text("utf-8"))["tests"]
    assert all(arm["what_ifs"] == [] for arm in test["runs"][0]["arms"])
