"""Which of several results of one test the history keeps."""

from __future__ import annotations

import pytest

from pytest_pipeline.history.recording import counted


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
