"""What a speedup gate answers, on virtual time."""

from __future__ import annotations

import pytest
from unit.virtual import Lab, sometimes, speedup, wake_up_slowly

from pytest_pipeline.assembling.assembly import merge_best
from pytest_pipeline.judge.conclude import without_rounds
from pytest_pipeline.judge.gate import Errors
from pytest_pipeline.judge.leaning import NO_LEANING
from pytest_pipeline.model.finding import Reason, Verdict
from pytest_pipeline.model.requirement import Quantity, Requirement
from pytest_pipeline.model.rounds import Phase
from pytest_pipeline.testing import VirtualExecutor


def test_a_plan_that_is_clearly_fast_enough_is_met_after_five_clean_rounds():
    lab = Lab()
    (finding,) = lab.compare(requirements=[speedup(1.5)]).findings
    assert (finding.verdict, finding.reason) == (Verdict.MET, Reason.NONE)
    assert finding.clean_rounds == 5
    assert finding.headline.startswith("speedup 1.9")


def test_a_plan_that_is_clearly_too_slow_is_missed_within_fifteen_rounds_confirmation_included():
    lab = Lab()
    result = lab.compare(requirements=[speedup(3.0)])
    (finding,) = result.findings
    assert finding.verdict is Verdict.MISSED
    bet_on = [each for each in result.rounds if each.phase is not Phase.WARM_UP]
    assert len(bet_on) <= 15
    assert any(each.phase is Phase.CONFIRM for each in bet_on)


def test_however_often_one_test_measures_its_runs_share_one_error():
    shares = [Errors().of_run(number).missed / Errors().missed for number in range(1, 2000)]
    assert 0.999 < sum(shares) <= 1
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == 0.83
    first, second = (
        Lab().compare(requirements=[speedup(1.5)], run_number=number).notes["alpha_missed"]
        for number in (1, 2)
    )
    assert (first, second) == pytest.approx((0.00083, 0.000085))


def test_a_later_run_of_a_test_asks_for_more_before_it_fails_the_test():
    def rounds(number):
        lab = Lab()
        lab.threads.locked = ("parse",)
        (finding,) = lab.compare(
            lab.stages(workers=2), requirements=[speedup(3.0)], run_number=number
        ).findings
        assert finding.verdict is Verdict.MISSED
        return finding.clean_rounds

    assert rounds(20) > rounds(1)


def test_a_miss_is_confirmed_on_freshly_opened_workers():
    lab = Lab()
    lab.compare(requirements=[speedup(3.0)])
    assert lab.threads.opened == 2


def test_a_miss_names_bottleneck_ceiling_and_the_change_that_is_predicted_to_help():
    lab = Lab()
    (finding,) = lab.compare(requirements=[speedup(3.0)]).findings
    lines = finding.text.splitlines()
    assert lines[0].startswith("speedup 1.95x < 3.00x (threads;")
    assert "bottleneck: stage 'parse', 1 worker, busy 98 % of the makespan" in lines[1]
    assert "ceiling of this plan 1.95x" in lines[1]
    assert lines[2].strip().startswith("next: Stage(parse, workers=2) is predicted to reach 3.")


def test_a_value_within_the_tolerance_is_met_and_the_message_says_so():
    lab = Lab()
    (finding,) = lab.compare(requirements=[speedup(2.0)]).findings
    assert finding.verdict is Verdict.MET
    assert "1.95x, within 5 % of 2.00x" in finding.headline


@pytest.mark.parametrize(
    ("value", "limit", "shown"),
    [(0.9957, 1.0, "0.9957x < 1.00x"), (1.121, 1.125, "1.121x < 1.125x")],
)
def test_a_miss_that_rounds_to_its_limit_is_shown_with_the_digits_that_tell(value, limit, shown):
    lab = Lab()
    lab.threads.slowdown = lambda _: (160 / 82) / value
    (finding,) = lab.compare(requirements=[speedup(limit, tolerance=0.0)]).findings
    assert finding.verdict is Verdict.MISSED
    assert finding.headline.startswith(f"speedup {shown} (threads; ")


def test_a_tolerance_below_one_per_cent_is_shown_as_it_was_written():
    lab = Lab()
    lab.threads.slowdown = lambda _: (160 / 82) / 0.998
    (finding,) = lab.compare(requirements=[speedup(1.0, tolerance=0.004)]).findings
    assert finding.headline.startswith("speedup 1.00x, within 0.4 % of 1.00x (threads; ")


def test_a_test_at_exactly_the_effective_limit_is_near_its_limit_and_not_failed():
    lab = Lab()
    lab.threads.slowdown = lambda _: (160 / 82) / (1.9 * 0.95) * 0.999999
    (finding,) = lab.compare(requirements=[speedup(1.9, tolerance=0.05)], max_rounds=8).findings
    assert (finding.verdict, finding.reason) == (Verdict.INCONCLUSIVE, Reason.NEAR_LIMIT)


def test_a_gate_near_its_limit_says_what_more_rounds_would_decide():
    lab = Lab()
    lab.threads.slowdown = lambda _: (160 / 82) / (1.9 * 0.95) * 1.01
    asked = [speedup(1.9, tolerance=0.05)]
    (finding,) = lab.compare(requirements=asked, max_rounds=8).findings
    assert (finding.verdict, finding.reason) == (Verdict.INCONCLUSIVE, Reason.NEAR_LIMIT)
    (sentence,) = finding.evidence
    assert sentence == (
        "8 clean rounds lean to missed: about 13 like them decide, which "
        '@pytest.mark.measure(budget="30s", max_rounds=13) should hold'
    )
    (decided,) = lab.compare(requirements=asked, max_rounds=13).findings
    assert decided.verdict is Verdict.MISSED


def test_a_gate_whose_rounds_lie_on_both_sides_says_that_more_would_not_tell():
    lab = Lab()
    at_limit = (160 / 82) / (1.9 * 0.95)
    lab.threads.slowdown = lambda execution: at_limit * (1.01 if execution // 6 % 2 else 0.99)
    (finding,) = lab.compare(requirements=[speedup(1.9, tolerance=0.05)], max_rounds=12).findings
    assert finding.reason is Reason.NEAR_LIMIT
    assert finding.evidence == (NO_LEANING,)


def test_a_neighbour_that_comes_after_the_start_makes_a_cpu_plan_busy_not_slow():
    lab = Lab(cpu_share=1.0, neighbour=lambda now: 1.0 if now < 1.0 else 1.6)
    lab.threads.slowdown = lambda _: 1.0 if lab.machine.clock.now_ns() < 1e9 else 1.9
    (finding,) = lab.compare(items=range(16), requirements=[speedup(1.7)], budget_s=8).findings
    assert (finding.verdict, finding.reason) == (Verdict.INCONCLUSIVE, Reason.BUSY)
    assert "disturbed from outside" in finding.text


def test_a_neighbour_that_was_there_first_is_no_reference_for_a_cpu_plan():
    lab = Lab(cpu_share=1.0, neighbour=lambda _: 1.6)
    lab.threads.slowdown = lambda _: 1.6
    (finding,) = lab.compare(requirements=[speedup(1.8)]).findings
    assert (finding.verdict, finding.reason) == (Verdict.INCONCLUSIVE, Reason.CAPACITY)
    assert "control kernel reaches 1.25x on 2 workers" in finding.text


def test_on_one_core_a_cpu_plan_lacks_capacity_and_a_waiting_plan_is_met():
    computing = Lab(cpu_share=1.0, cores=1.0)
    waiting = Lab(cpu_share=0.05, cores=1.0)
    assert computing.compare(requirements=[speedup(1.5)]).findings[0].reason is Reason.CAPACITY
    assert waiting.compare(requirements=[speedup(1.5)]).findings[0].verdict is Verdict.MET


@pytest.mark.parametrize("limit", [1.3, 1.1])
@pytest.mark.parametrize("turbo", [1.0, 0.7])
def test_a_lone_core_that_changes_its_speed_still_gives_no_speedup(limit, turbo):
    lab = Lab(cpu_share=1.0, quota=1.0, turbo=turbo)
    lab.threads.slowdown = lambda _: 2.0
    comparison = lab.compare(requirements=[speedup(limit)])
    assert comparison.findings[0].reason is Reason.CAPACITY
    assert comparison.reference.speedup == 1.0


def test_a_regression_in_the_parallel_arm_is_never_excused_as_capacity():
    lab = Lab(cpu_share=1.0)
    lab.threads.slowdown = lambda _: 1.9
    assert lab.compare(requirements=[speedup(1.8)]).findings[0].verdict is Verdict.MISSED


def busy_by_itself():
    """Return a laboratory whose stages slow the control down for half a second after they ran."""
    lab = Lab(cpu_share=1.0)
    quiet_since = {"ns": 0}

    def neighbour(now_s: float) -> float:
        return 1.8 if lab.threads.executions and now_s * 1e9 - quiet_since["ns"] < 5e8 else 1.0

    def slowdown(_: int) -> float:
        quiet_since["ns"] = lab.machine.clock.now_ns() + 100_000_000
        return 1.9

    lab.machine._neighbour = neighbour
    lab.threads.slowdown = slowdown
    lab.serial.slowdown = lambda _: (slowdown(0), 1.0)[1]
    return lab


@pytest.mark.parametrize("cores", ["awake", "slow to wake up"])
def test_code_that_keeps_the_machine_busy_itself_fails_as_self_disturbed(cores):
    lab = busy_by_itself()
    if cores == "slow to wake up":
        wake_up_slowly(lab)
    (finding,) = lab.compare(items=range(16), requirements=[speedup(1.7)], budget_s=8).findings
    assert (finding.verdict, finding.reason) == (Verdict.MISSED, Reason.SELF_DISTURBED)


def test_cores_that_wake_up_slowly_keep_no_confirmation_of_long_arms_from_its_verdict():
    lab = Lab(cpu_share=1.0)
    wake_up_slowly(lab)
    lab.threads.slowdown = lambda _: 1.9
    stages = [lab.stage("train", 0.02), lab.stage("score", 0.02)]
    (finding,) = lab.compare(stages, range(20), requirements=[speedup(1.5)]).findings
    assert (finding.verdict, finding.dirty_rounds) == (Verdict.MISSED, 0)


def test_an_intermittent_slow_mode_is_not_met_although_its_best_moments_are_fast():
    lab = Lab()
    lab.threads.slowdown = sometimes(0.6, 1.9)
    (finding,) = lab.compare(requirements=[speedup(1.7)]).findings
    assert finding.verdict is not Verdict.MET


def test_a_budget_that_cannot_hold_a_verdict_is_invalid_with_the_numbers():
    lab = Lab()
    slow = [lab.stage("train", 1.0), lab.stage("score", 1.0)]
    (finding,) = lab.compare(slow, range(8), requirements=[speedup(1.5)], budget_s=10).findings
    assert (finding.verdict, finding.reason) == (Verdict.INVALID, Reason.BUDGET)
    assert finding.evidence == (
        "a clear verdict needs 327 s here, the budget of 10 s extends to 40 s at most",
    )
    assert finding.next_step == (
        'use fewer or smaller items, or @pytest.mark.measure(budget="163s")'
    )


def test_a_budget_below_a_second_is_named_with_its_digits():
    lab = Lab()
    (finding,) = lab.compare(
        [lab.stage("train", 0.5)], range(8), requirements=[speedup(1.5)], budget_s=0.4
    ).findings
    assert "the budget of 0.4 s extends to 1.6 s at most" in finding.evidence[0]


def test_a_slower_build_extends_its_budget_instead_of_turning_into_a_skip():
    lab = Lab()
    stages = [lab.stage("train", 0.05), lab.stage("score", 0.05)]
    lab.threads.slowdown = lambda _: 3.0
    (finding,) = lab.compare(stages, range(20), requirements=[speedup(1.5)], budget_s=22).findings
    assert finding.verdict is Verdict.MISSED


def test_a_cold_gate_counts_start_up_and_a_warm_one_does_not():
    lab = Lab()
    lab.threads.startup_s = 0.5
    warm, cold = lab.compare(requirements=[speedup(1.5), speedup(1.5, cold=True)]).findings
    assert warm.verdict is Verdict.MET
    assert cold.verdict is Verdict.MISSED
    assert cold.headline.startswith("cold speedup 0.")


def test_a_gate_on_the_best_arm_is_met_when_one_of_them_meets_it():
    lab = Lab()
    slow = VirtualExecutor("processes", lab.machine, slowdown=lambda _: 3.0)
    (finding,) = lab.compare(
        requirements=[speedup(1.5, executor="best")], candidates=[slow, lab.threads]
    ).findings
    assert (finding.verdict, finding.executor) == (Verdict.MET, "threads")


def test_an_unavailable_arm_is_reported_with_its_cause_and_the_others_are_measured():
    lab = Lab()
    gpu = VirtualExecutor("cuda", lab.machine, unavailable="no device")
    result = lab.compare(requirements=[speedup(1.5)], candidates=[lab.threads, gpu])
    verdicts = {finding.executor: finding.verdict for finding in result.findings}
    assert verdicts == {"threads": Verdict.MET, "cuda": Verdict.UNAVAILABLE}
    assert result["cuda"].unavailable == "no device"


def test_a_gate_on_the_best_arm_is_not_lost_where_none_can_run():
    lab = Lab()
    gpu = VirtualExecutor("cuda", lab.machine, unavailable="no device")
    (finding,) = lab.compare(
        requirements=[speedup(1.5, executor="best")], candidates=[gpu]
    ).findings
    assert (finding.verdict, finding.executor) == (Verdict.UNAVAILABLE, "cuda")


def test_an_arm_without_an_answer_of_its_own_does_not_fail_a_gate_on_the_best_one():
    requirement = speedup(1.5, executor="best")
    findings = [
        without_rounds(requirement, name, verdict, reason, "text")
        for name, verdict, reason in (
            ("processes", Verdict.INVALID, Reason.BUDGET),
            ("threads", Verdict.INCONCLUSIVE, Reason.BUSY),
            ("asyncio", Verdict.MISSED, Reason.NONE),
        )
    ]
    assert [each.executor for each in merge_best(findings)] == ["threads"]
    assert [each.executor for each in merge_best(findings[::2])] == ["asyncio"]


def test_switched_off_every_arm_runs_once_and_gates_are_not_run():
    lab = Lab()
    result = lab.compare(requirements=[speedup(1.5)], mode="off")
    assert [finding.verdict for finding in result.findings] == [Verdict.NOT_RUN]
    assert lab.threads.executions == lab.serial.executions == 1
    assert result["threads"].speedup is None


@pytest.mark.parametrize("seed", range(3))
def test_without_a_gate_enough_rounds_run_for_a_bounded_interval(seed):
    lab = Lab()
    estimate = lab.compare(items=range(20 + seed))["threads"].speedup
    assert estimate is not None
    assert estimate.lower is not None
    assert estimate.count >= 7


def test_a_neighbour_that_leaves_soon_is_waited_for():
    lab = Lab(cpu_share=1.0, neighbour=lambda now: 1.6 if now < 4.0 else 1.0)
    (finding,) = lab.compare(requirements=[speedup(1.5)]).findings
    assert finding.verdict is Verdict.MET
    assert any("quiet moment" in text for text in lab.progress)


def test_a_gate_on_an_absolute_value_waits_for_a_neighbour_too_whatever_workers_its_arm_has():
    lab = Lab(cpu_share=1.0, neighbour=lambda now: 1.6 if now < 4.0 else 1.0)
    (finding,) = lab.compare(requirements=[Requirement(Quantity.THROUGHPUT, 400.0)]).findings
    assert finding.verdict is Verdict.MET
    assert any("quiet moment" in text for text in lab.progress)


def crowded(begins_s: float) -> Lab:
    """All the cores are shared from `begins_s` on: every control takes twice as long, the parallel arm too."""
    lab = Lab(cpu_share=1.0, crowd=lambda now: 2.0 if now >= begins_s else 1.0)
    lab.threads.slowdown = lambda _: 2.0 if lab.machine.clock.now_ns() >= begins_s * 1e9 else 1.0
    return lab


def test_neighbours_on_every_core_from_the_start_are_no_reference_although_the_control_scales():
    (finding,) = crowded(0.0).compare(requirements=[speedup(1.8)]).findings
    assert (finding.verdict, finding.reason) == (Verdict.INCONCLUSIVE, Reason.CAPACITY)
    assert "takes 2.0x its undisturbed time" in finding.text


def test_neighbours_that_take_every_core_later_do_not_become_the_reference():
    (finding,) = crowded(3.0).compare(requirements=[speedup(2.1)], items=range(16)).findings
    assert (finding.verdict, finding.reason) == (Verdict.INCONCLUSIVE, Reason.BUSY)
    assert finding.clean_rounds < finding.dirty_rounds


def test_a_plan_that_lost_its_workers_is_missed_and_not_excused_by_the_host():
    lab = Lab(cpu_share=1.0)
    alone = [lab.stage("parse", 0.01, workers=1)]
    (finding,) = lab.compare(alone, range(10), requirements=[speedup(1.8)]).findings
    assert finding.verdict is Verdict.MISSED


def test_a_computing_plan_that_is_kept_off_the_cores_is_not_taken_for_one_that_waits():
    lab = Lab(cpu_share=0.3, waiting=0.7, cores=1.0)
    lab.threads.slowdown = lambda _: 1.6
    (finding,) = lab.compare(requirements=[speedup(1.5)]).findings
    assert (finding.verdict, finding.reason) == (Verdict.INCONCLUSIVE, Reason.CAPACITY)


def test_a_plan_that_waits_by_itself_is_judged_on_one_core():
    lab = Lab(cpu_share=0.3, waiting=0.0, cores=1.0)
    lab.threads.slowdown = lambda _: 1.6
    assert lab.compare(requirements=[speedup(1.5)]).findings[0].verdict is Verdict.MISSED


def test_so_few_rounds_that_no_regression_could_fail_are_invalid_with_the_number():
    (finding,) = Lab().compare(requirements=[speedup(3.0)], max_rounds=5).findings
    assert (finding.verdict, finding.reason) == (Verdict.INVALID, Reason.BUDGET)
    assert finding.evidence == ("max_rounds=5 cannot hold a miss, which takes 7 rounds at least",)
    assert finding.next_step.startswith("write @pytest.mark.measure(max_rounds=7) or more")


def test_a_small_limit_makes_no_waiting_plan_of_one_that_computes():
    lab = Lab(cpu_share=1.0, neighbour=lambda _: 1.6)
    lab.threads.slowdown = lambda _: 1.95 / 0.4
    (finding,) = lab.compare(requirements=[speedup(0.5)], budget_s=20).findings
    assert (finding.verdict, finding.reason) == (Verdict.INCONCLUSIVE, Reason.CAPACITY)
