"""What an overlap gate answers: from the order of events, on any machine."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from unit.virtual import Lab, speedup

from pytest_pipeline.judge.conclude import Circumstances, conclude
from pytest_pipeline.judge.gate import Errors, Status
from pytest_pipeline.judge.overlap import OverlapGate
from pytest_pipeline.model.finding import Reason, Verdict
from pytest_pipeline.model.requirement import Quantity, Requirement
from pytest_pipeline.model.rounds import Phase, Round
from pytest_pipeline.model.trace import Sample
from pytest_pipeline.testing import VirtualExecutor


def overlap(limit: float, **options) -> Requirement:
    return Requirement(Quantity.OVERLAP, limit, **options)


def fed(values, limit=2.0, errors=None, *, is_clean=True, phase=Phase.MEASURE) -> OverlapGate:
    gate = OverlapGate(overlap(limit, tolerance=0.0), "threads", errors=errors or Errors())
    for index, value in enumerate(values):
        gate.observe(
            Round(index, phase, 0.0, {}, overlaps={"threads": (value,)}, is_clean=is_clean)
        )
    return gate


def serial_loop(lab: Lab) -> VirtualExecutor:
    """Return an arm that claims the declared workers and runs one item at a time."""
    made = VirtualExecutor("threads", lab.machine, overlaps=False)
    made.workers = lambda plan: plan.total_workers
    return made


class Narrow(VirtualExecutor):
    """An executor that says it has the declared workers and runs with `really` per stage."""

    really = 1

    def open(self, plan):
        stages = tuple(
            dataclasses.replace(each, workers=min(each.workers, self.really))
            for each in plan.stages
        )
        return super().open(dataclasses.replace(plan, stages=stages))


def test_twenty_five_executions_under_the_limit_without_exception_are_a_miss():
    assert fed([1.9] * 24).status is Status.OPEN
    assert fed([1.9] * 25).status is Status.MISSED


def test_one_execution_that_reaches_the_limit_rules_out_a_miss_for_ever():
    assert fed([1.9] * 10 + [2.0] + [1.9] * 200).status is Status.OPEN


def test_eight_executions_that_reach_it_are_met_also_exactly_at_the_limit():
    assert fed([2.0] * 7).status is Status.OPEN
    assert fed([2.0] * 8).status is Status.MET


def test_half_of_the_executions_are_not_enough_to_be_met():
    assert fed([2.5, 1.5] * 200).status is Status.OPEN


def test_more_gates_in_one_test_ask_for_more_executions_before_a_miss():
    assert fed([1.9] * 32, errors=Errors().split(10)).status is Status.OPEN
    assert fed([1.9] * 33, errors=Errors().split(10)).status is Status.MISSED


def test_disturbed_and_warm_up_executions_count_like_any_other():
    assert fed([1.9] * 25, is_clean=False).status is Status.MISSED
    assert fed([2.1] * 8, phase=Phase.WARM_UP).status is Status.MET


def test_a_pipeline_meets_what_a_serial_loop_under_the_same_name_misses():
    (healthy,) = Lab().compare(requirements=[overlap(1.7)]).findings
    assert healthy.verdict is Verdict.MET
    lab = Lab()
    (finding,) = lab.compare(requirements=[overlap(1.7)], candidates=[serial_loop(lab)]).findings
    assert finding.verdict is Verdict.MISSED
    assert finding.headline.startswith("overlap 1.00 items < 1.70 items (threads; ")


def test_ten_workers_that_became_two_miss_what_ten_meet():
    lab = Lab()
    stages = [lab.stage("parse", 0.002, workers=10)]
    (healthy,) = lab.compare(stages, requirements=[overlap(8.0)]).findings
    assert healthy.verdict is Verdict.MET
    narrow = Narrow("threads", lab.machine)
    narrow.really = 2
    (finding,) = lab.compare(stages, requirements=[overlap(8.0)], candidates=[narrow]).findings
    assert finding.verdict is Verdict.MISSED
    assert finding.headline.startswith("overlap 2.00 items < 8.00 items (threads; ")
    assert finding.cause == (
        "stage 'parse' has 10 workers, at most 2 of its visits were in service at once"
    )
    assert "look for what keeps the workers of 'parse' from starting" in finding.next_step


@pytest.mark.parametrize("neighbour", [lambda _: 1.6, lambda now: 1.0 if now < 1 else 5.0])
def test_a_busy_machine_and_other_tests_beside_it_change_no_verdict(neighbour):
    busy = {"cpu_share": 1.0, "neighbour": neighbour}
    met = Lab(**busy).compare(requirements=[overlap(1.7)], company="other workers").findings[0]
    missed = Lab(**busy).compare(requirements=[overlap(2.8)], company="other workers").findings[0]
    assert (met.verdict, missed.verdict) == (Verdict.MET, Verdict.MISSED)


def test_a_width_that_the_plan_does_not_have_is_invalid_with_the_number():
    lab = Lab()
    result = lab.compare(lab.stages(workers=2), requirements=[overlap(8)])
    (finding,) = result.findings
    assert (finding.verdict, finding.reason) == (Verdict.INVALID, Reason.UNREACHABLE)
    assert finding.text == (
        "overlap can never be met (threads): it asks 8.00 items, this plan has 4 worker slots"
    )


def test_no_time_is_spent_on_a_width_that_the_plan_does_not_have():
    lab = Lab()
    long = [lab.stage("fetch", 0.02), lab.stage("parse", 0.02)]
    result = lab.compare(long, requirements=[overlap(8)])
    assert len([each for each in result.rounds if each.phase is Phase.MEASURE]) == 1


def test_executions_of_the_warm_up_are_not_wasted():
    lab = Lab()
    lab.compare(requirements=[overlap(1.7)])
    assert any("round 1 (1 clean), 1 of 1 gates answered" in text for text in lab.progress)


def test_too_few_items_to_fill_the_workers_are_invalid_with_the_number():
    (finding,) = Lab().compare(items=range(2), requirements=[overlap(3)]).findings
    assert finding.reason is Reason.UNREACHABLE
    assert finding.headline.endswith("it asks 3.00 items, there are 2 items: use more")


def test_the_arm_shows_the_quantity_that_the_gate_judges():
    result = Lab().compare(requirements=[overlap(1.7)])
    assert result["threads"].overlap == result.findings[0].estimate.value
    assert result["serial"].overlap == 1.0


def test_a_budget_that_cannot_hold_the_executions_is_invalid_with_the_numbers():
    lab = Lab()
    serial = serial_loop(lab)
    slow = [lab.stage("train", 0.2), lab.stage("score", 0.2)]
    wanted = [overlap(1.5), speedup(9.0)]
    gate, other = lab.compare(
        slow, range(8), requirements=wanted, candidates=[serial], budget_s=30
    ).findings
    assert (gate.verdict, gate.reason) == (Verdict.INVALID, Reason.BUDGET)
    assert "extends to 120 s at most" in gate.text
    assert other.verdict is Verdict.MISSED  # it needs half as many rounds, which fit


def test_many_gates_extend_the_budget_to_the_executions_that_they_need():
    lab = Lab()
    serial = serial_loop(lab)
    slow = [lab.stage("train", 0.1), lab.stage("score", 0.1)]
    wanted = [overlap(1.9, tolerance=share / 100) for share in range(10)]
    result = lab.compare(slow, range(8), requirements=wanted, candidates=[serial], budget_s=30)
    assert {each.verdict for each in result.findings} == {Verdict.MISSED}


def test_it_shares_the_rounds_with_a_speedup_gate():
    result = Lab().compare(requirements=[speedup(1.5), overlap(1.7)])
    assert [each.verdict for each in result.findings] == [Verdict.MET, Verdict.MET]
    alone = Lab().compare(requirements=[speedup(1.5)])
    assert len(result.rounds) == len(alone.rounds)


@pytest.mark.parametrize(
    "around",
    [
        Circumstances(traced="coverage"),
        Circumstances(company="other workers"),
        Circumstances(shortfall="one core", throttled=True, self_disturbed=True),
    ],
)
def test_a_tracer_a_quota_or_company_take_nothing_from_a_verdict_without_a_clock(around):
    assert conclude(fed([1.9] * 25), None, around).verdict is Verdict.MISSED
    assert conclude(fed([2.0] * 8), None, around).verdict is Verdict.MET
    undecided = conclude(fed([2.5, 1.5] * 20), None, around)
    assert (undecided.verdict, undecided.reason) == (Verdict.INCONCLUSIVE, Reason.NEAR_LIMIT)


def test_a_plan_of_which_only_a_sample_of_the_visits_is_kept_is_told_at_once_to_use_fewer_items():
    lab = Lab()

    class Sampled(VirtualExecutor):
        def open(self, plan):
            running = super().open(plan)
            run = running.run

            def sampled(source):
                trace = run(source)
                kept = np.arange(trace.num_items)
                sample = Sample(kept, trace.num_items, 1_200_000, 0)
                return dataclasses.replace(trace, sample=sample)

            running.run = sampled
            return running

    arms = [Sampled("threads", lab.machine)]
    (finding,) = lab.compare(candidates=arms, requirements=[overlap(1.5)]).findings
    assert (finding.verdict, finding.reason) == (Verdict.INVALID, Reason.UNREACHABLE)
    assert "of its 1,200,000 visits only a sample is kept" in finding.text
    assert "use fewer items" in finding.text


def test_a_serial_loop_never_meets_a_limit_that_its_tolerance_lets_down_to_one():
    lab = Lab()
    wanted = [overlap(2.0, tolerance=0.5)]
    (finding,) = lab.compare(requirements=wanted, candidates=[serial_loop(lab)]).findings
    assert finding.verdict is Verdict.MISSED
