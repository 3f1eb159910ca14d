"""What makes two sessions comparable, and what does not."""

from __future__ import annotations

import copy

import pytest

from pytest_pipeline.history.fingerprint import machine_mark, workload_mark

ENVIRONMENT = {
    "cpu": "EPYC",
    "cores_usable": 2,
    "cores_logical": 8,
    "cpu_quota": None,
    "system": "Linux 6.1.0 x86_64",
    "python": "CPython 3.11.9",
    "gil": True,
    "packages": {"numpy": "2.4"},
}
WORKLOAD = {"chunk": 1, "executors": {"threads": "<Pool at 0x7f01>"}, "items": "small"}
RUN = {
    "stages": [{"name": "parse", "workers": 1, "queue_size": 16}],
    "num_items": 40,
    "baseline": "serial",
    "check": "equal",
    "findings": [{"executor": "threads", "rate_per_s": None}],
    "notes": {"workload": WORKLOAD},
}


@pytest.mark.parametrize(
    "change",
    [{"cpu": "Xeon"}, {"cores_usable": 4}, {"python": "CPython 3.13.1"}, {"gil": False}],
)
def test_another_class_of_machine_has_another_mark(change):
    assert machine_mark({**ENVIRONMENT, **change}) != machine_mark(ENVIRONMENT)


@pytest.mark.parametrize(
    "change",
    [{"system": "Linux 6.2.0 x86_64"}, {"python": "CPython 3.11.10"}, {"packages": {}}],
)
def test_an_upgrade_goes_on_with_the_history(change):
    assert machine_mark({**ENVIRONMENT, **change}) == machine_mark(ENVIRONMENT)


@pytest.mark.parametrize(
    "change",
    [
        {"num_items": 41},
        {"notes": {"workload": {**WORKLOAD, "items": "larger"}}},
        {"stages": [{"name": "parse", "workers": 2, "queue_size": 16}]},
        {"findings": [{"executor": "threads", "rate_per_s": 50.0}]},
        {"notes": {"workload": {**WORKLOAD, "executors": {"threads": "Pool(2)"}}}},
        {"notes": {"workload": {**WORKLOAD, "arrivals": {"rate": 50, "distribution": "poisson"}}}},
    ],
)
def test_other_work_has_another_mark(change):
    assert workload_mark({**RUN, **change}, "threads") != workload_mark(RUN, "threads")


def test_without_arrivals_the_mark_is_that_of_sessions_that_did_not_note_any():
    other = {**RUN, "notes": {"workload": {**WORKLOAD, "arrivals": None}}}
    assert workload_mark(other, "threads") == workload_mark(RUN, "threads")


def test_where_an_executor_lies_in_memory_does_not_matter():
    other = copy.deepcopy(RUN)
    other["notes"]["workload"]["executors"]["threads"] = "<Pool at 0x9999>"
    assert workload_mark(other, "threads") == workload_mark(RUN, "threads")
