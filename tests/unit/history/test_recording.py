"""Which of several results of one test the history keeps."""

from __future__ import annotations

import pytest
from unit.virtual import Lab

from pytest_pipeline.history.recording import counted, records_of
from pytest_pipeline.model.requirement import Quantity, Requirement


def result(worker, error="", attempt=1):
    return {"nodeid": "test_a", "worker": worker, "attempt": attempt, "error": error}


@pytest.mark.parametrize(
    ("results", "kept"),
    [
        ([result("", attempt=1), result("", attempt=2)], result("", attempt=2)),
        ([result("", attempt=1), result("", "broke", attempt=2)], None),
        ([result("gw0"), result("gw1", "died")], result("gw0")),
        ([result("gw0", "died"), result("gw1")], result("gw1")),
        ([result("gw10"), result("gw9", "died")], result("gw10")),
        ([result("gw10"), result("gw9")], result("gw10")),
        ([result("gw0", "died"), result("gw1", "died")], None),
    ],
    ids=["rerun", "rerun broke", "first", "second", "tenth", "last worker", "none"],
)
def test_the_last_complete_result_is_kept(results, kept):
    assert counted(results) == ({} if kept is None else {"test_a": kept})


def test_tests_stay_in_the_order_of_the_report():
    tests = [
        {**result(worker), "nodeid": nodeid} for nodeid, worker in [("b", "gw1"), ("a", "gw0")]
    ]
    assert list(counted(tests)) == ["b", "a"]


def test_an_ungated_value_that_was_taken_under_a_tracer_is_not_kept():
    lab = Lab()
    run = lab.compare().to_dict()
    assert len(kept(run)) == 1
    run["notes"]["traced"] = "the monitoring tool 'profiler'"
    assert not kept(run)


def kept(run):
    document = {"tests": [{**result(""), "runs": [run]}], "context": {}, "environment": {}}
    return records_of({**document, "created": "2026-11-28"}, session="s", is_dirty=False)


def left_out(executor):
    return {"quantity": "speedup", "executor": executor, "verdict": "not-run", "reason": "off"}


def test_an_arm_that_the_command_line_left_out_does_not_cost_the_others_their_record():
    run = Lab().compare().to_dict()
    run["findings"].append(left_out("processes"))
    assert [each.executor for each in kept(run)] == ["threads"]


@pytest.mark.parametrize("gates", [[], [Requirement(Quantity.SPEEDUP, 2.0)]])
def test_a_run_that_was_switched_off_is_not_kept_with_and_without_gates(gates):
    assert not kept(Lab().compare(requirements=gates, mode="off").to_dict())
