"""Which of several results of one test the history keeps."""

from __future__ import annotations

import pytest
from unit.virtual import Lab

from pytest_pipeline.history.recording import counted, records_of


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
    test = {**result(""), "runs": [run]}
    document = {"tests": [test], "context": {}, "environment": {}, "created": "2026-11-28"}
    assert len(records_of(document, session="s", is_dirty=False)) == 1
    run["notes"]["traced"] = "the monitoring tool 'profiler'"
    assert not records_of(document, session="s", is_dirty=False)
