"""A predicted change is data as well as text: what applies it gets what the text says."""

from __future__ import annotations

import pytest
from unit.virtual import Lab

from pytest_pipeline.model.change import Change
from pytest_pipeline.model.plan import Stage, make_plan


def test_a_prediction_applied_to_the_plan_reaches_what_was_predicted():
    lab = Lab(cores=8.0)
    comparison = lab.compare()
    best = next(each for each in comparison["threads"].what_ifs if each.setting.workers)
    changed = best.setting.applied(comparison.plan)
    measured = lab.compare(changed.stages)["threads"].speedup.value
    assert measured == pytest.approx(best.predicted_speedup, rel=0.02)
    assert best.setting.code() == best.code


def test_every_prediction_but_that_of_chunks_can_be_applied():
    for each in Lab(cores=8.0).compare()["threads"].what_ifs:
        assert (each.setting is None) == ("chunk=" in each.code)


def test_a_change_names_what_differs_and_leaves_the_rest():
    plan = make_plan([Stage(len, name="a"), Stage(sum, name="b", workers=2, queue_size=3, batch=4)])
    change = Change(workers={"a": 3}, queue_size={"b": 5}, batch={"b": 8})
    first, second = change.applied(plan).stages
    assert (first.workers, first.queue_size, first.batch) == (3, 16, None)
    assert (second.workers, second.queue_size, second.batch) == (2, 5, 8)
    assert change.code() == "Stage(a, workers=3), Stage(b, queue_size=5, batch=8)"
    assert Change(pool=4).code("Processes") == "Processes(workers=4)"
    assert Change().is_nothing
    assert Change().words() == "as declared"
