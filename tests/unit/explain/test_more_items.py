"""A run of few items is told that it is short, with the speedup that a longer one would reach."""

from __future__ import annotations

import pytest
from unit.virtual import Lab, speedup

from pytest_pipeline.model.finding import Reason, Verdict


def longer(result):
    return [each for each in result["threads"].what_ifs if each.times_items > 1]


def halves(lab: Lab):
    return [lab.stage("load", 0.002), lab.stage("store", 0.002)]


def test_four_items_through_two_equal_stages_are_told_what_forty_would_reach():
    lab = Lab()
    (change,) = longer(lab.compare(halves(lab), range(4)))
    assert change.predicted_speedup == pytest.approx(40 * 2 / 41, rel=0.01)
    assert change.change == "10 times as many items"
    assert "with 4 items the workers idle" in change.basis
    assert change.setting is None


def test_a_run_that_is_too_short_for_its_limit_has_more_items_for_its_next_step():
    lab = Lab()
    stages = [*halves(lab), lab.stage("send", 0.002)]
    (finding,) = lab.compare(stages, range(4), requirements=[speedup(2.6)]).findings
    assert finding.verdict is Verdict.MISSED
    assert finding.next_step == "10 times as many items is predicted to reach 2.86x"


def test_fewer_items_than_workers_are_told_so():
    lab = Lab()
    stages = [lab.stage("hash", 0.002, workers=8)]
    (finding,) = lab.compare(stages, range(3), requirements=[speedup(6.0)]).findings
    assert finding.next_step == "10 times as many items is predicted to reach 7.50x"


def test_one_item_alone_is_told_so():
    lab = Lab()
    (change,) = longer(lab.compare(halves(lab), range(1)))
    assert change.predicted_speedup == pytest.approx(10 * 2 / 11, rel=0.01)
    assert "with 1 item the workers" in change.basis


@pytest.mark.parametrize("items", [40, 400])
def test_a_run_that_is_long_enough_is_not_told_to_be_longer(items):
    lab = Lab()
    assert longer(lab.compare(halves(lab), range(items))) == []


def test_a_start_up_weighs_less_in_a_longer_run():
    lab = Lab()
    lab.threads.startup_s = 0.020
    result = lab.compare(halves(lab), range(4), requirements=[speedup(1.5, cold=True)])
    (finding,) = result.findings
    # 160 ms against 82 ms of run and 20 ms of start-up
    assert finding.next_step == "10 times as many items is predicted to reach 1.57x"


@pytest.mark.parametrize(("budget_s", "is_told"), [(30, False), (100, True)])
def test_a_longer_run_is_proposed_only_where_the_budget_holds_a_verdict_of_it(budget_s, is_told):
    def asked(items):
        lab = Lab()
        stages = [lab.stage("load", 0.25), lab.stage("store", 0.25)]
        gates = [speedup(1.9)]
        return lab.compare(stages, range(items), requirements=gates, budget_s=budget_s)

    short = asked(4)
    (ceiling,) = short.notes["ceilings"]
    assert ("with 10 times as many items" in ceiling) == is_told
    assert bool(longer(short)) == is_told
    assert (asked(40).findings[0].reason is not Reason.BUDGET) == is_told
