"""What most executions do counts against the code where nobody can have disturbed it, and nowhere else."""

from __future__ import annotations

import pytest
from unit.virtual import Lab, sometimes, speedup, used

from pytest_pipeline.model.finding import Reason, Verdict

SLOW = 1.6
"""Slowdown of the slow executions: 1.95x becomes 1.22x."""


def finding_of(lab: Lab, share: float = 0.6):
    lab.threads.slowdown = sometimes(share, SLOW)
    (finding,) = lab.compare(requirements=[speedup(1.8)], budget_s=40).findings
    return finding


def alone(cpu_share: float = 1.0) -> Lab:
    return Lab(cpu_share=cpu_share, usage=used(lambda _: 0.0))


def test_code_that_is_slow_in_most_executions_is_missed_when_nobody_else_is_there():
    finding = finding_of(alone())
    assert (finding.verdict, finding.reason) == (Verdict.MISSED, Reason.NONE)


def test_code_that_is_slow_now_and_then_is_not_missed():
    assert finding_of(alone(), share=0.2).verdict is not Verdict.MISSED


@pytest.mark.parametrize("cores", [0.15, 1.0])
def test_with_somebody_there_the_same_code_is_given_the_benefit_of_the_doubt(cores):
    lab = Lab(cpu_share=1.0, usage=used(lambda _: cores))
    assert finding_of(lab).verdict is Verdict.INCONCLUSIVE


def test_where_the_counters_may_hide_somebody_it_is_too():
    lab = Lab(cpu_share=1.0, usage=used(lambda _: 0.0, sees_others=False))
    assert finding_of(lab).verdict is Verdict.INCONCLUSIVE


def test_a_plan_that_also_waits_may_be_held_up_by_others_that_use_no_core():
    assert finding_of(alone(cpu_share=0.8)).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(("cores", "was_alone"), [(0.0, True), (0.5, False)])
def test_each_round_says_whether_somebody_can_have_disturbed_it(cores, was_alone):
    lab = Lab(cpu_share=1.0, usage=used(lambda _: cores))
    rounds = lab.compare(requirements=[speedup(1.8)]).rounds
    assert {each.was_alone for each in rounds} == {was_alone}


def test_the_headline_names_the_mean_that_has_decided_and_claims_nothing_of_the_median():
    lab = alone()
    lab.threads.slowdown = sometimes(1 / 3, 5.0)
    (finding,) = lab.compare(requirements=[speedup(1.9)], budget_s=40).findings
    assert finding.verdict is Verdict.MISSED
    assert " >= " not in finding.headline
    assert "undisturbed ones" in finding.headline
