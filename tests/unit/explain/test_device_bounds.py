"""From a diagnosis to the bound of an execution: joined by device, scaled by items, unknown where nothing was found."""

import pytest

from pytest_pipeline.explain.device import with_bounds
from pytest_pipeline.model.device import (
    DeviceDiagnosis,
    DevicePart,
    DeviceRun,
    HostMemory,
    SyncCall,
)


def run_of(items=10, device="cuda:0"):
    return DeviceRun(device, "a GPU", HostMemory.PINNED, 3, items, 5.5, (), None, notes=("own",))


def part(name, each, items=10, moved=0):
    return DevicePart(name, each * items, each, each, each, moved * items)


CALL = SyncCall("score", "a.py:3", "x.item()", 10)


def test_the_bound_is_that_of_the_parts_and_gives_the_efficiency():
    parts = (part("H2D", 0.2, moved=8), part("kernels", 0.4), part("D2H", 0.1))
    (run,) = with_bounds([run_of()], [DeviceDiagnosis("cuda:0", 10, parts, 3.0, (CALL,), ("n",))])
    assert run.bound_s == pytest.approx(0.2 + 10 * 0.4 + 0.1)
    assert run.efficiency == pytest.approx(4.3 / 5.5)
    assert run.limiting_part.name == "kernels"
    assert (run.both_ways_s, run.sync_calls, run.notes) == (3.0, (CALL,), ("own", "n"))


def test_the_first_items_stand_for_all_and_the_report_is_told():
    parts = (part("kernels", 0.4, items=5), part("D2H", 0.1, items=5, moved=8))
    (run,) = with_bounds([run_of(10)], [DeviceDiagnosis("cuda:0", 5, parts, 1.0)])
    assert run.bound_s == pytest.approx(10 * 0.4 + 0.1)
    assert run.parts[1].bytes == 80
    assert run.both_ways_s == 2.0
    assert "on the first 5 of 10 items" in run.notes[-1]


def test_devices_are_joined_by_name():
    diagnosis = DeviceDiagnosis("cuda:1", 10, (part("kernels", 0.4),))
    first, second = with_bounds([run_of(), run_of(device="cuda:1")], [diagnosis])
    assert (first.bound_s, second.bound_s) == (None, pytest.approx(4.0))


def test_a_bound_above_the_makespan_is_called_a_hint():
    slow = DeviceDiagnosis("cuda:0", 10, (part("kernels", 0.6),))
    (run,) = with_bounds([run_of()], [slow])
    assert run.efficiency > 1
    assert "slower alone than together" in run.notes[-1]
    (fair,) = with_bounds([run_of()], [DeviceDiagnosis("cuda:0", 10, (part("kernels", 0.55),))])
    assert fair.notes == ("own",)


def test_a_diagnosis_that_failed_gives_no_bound_but_its_note():
    (run,) = with_bounds([run_of()], [DeviceDiagnosis("cuda:0", 0, notes=("why",))])
    assert (run.bound_s, run.efficiency, run.notes) == (None, None, ("own", "why"))
