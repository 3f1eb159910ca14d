"""What a user is told about failed items: counted exactly, decided with bounded error, never guessed."""

from __future__ import annotations

import random

import pytest
from unit.virtual import Lab, error_rate, p99, speedup

from pytest_pipeline.judge.failures import ErrorRateGate
from pytest_pipeline.judge.gate import Errors, Status
from pytest_pipeline.model.failures import FailedShare
from pytest_pipeline.model.finding import Reason, Verdict
from pytest_pipeline.model.plan import Stage
from pytest_pipeline.testing import VirtualExecutor


def fails(lab: Lab, is_bad, *, name: str = "parse", seconds: float = 0.001):
    """Return a stage that raises where `is_bad(item, arm)`."""

    def stage(item):
        lab.machine.work(seconds)
        if is_bad(item, lab.machine.running):
            raise ValueError(f"bad item {item}")
        return item

    return Stage(stage, name=name)


def gate(limit: float, **options) -> ErrorRateGate:
    return ErrorRateGate(error_rate(limit, **options), "threads", errors=Errors())


def fed(limit: float, *shares: tuple[int, int]) -> ErrorRateGate:
    made = gate(limit)
    for failed, items in shares:
        made.observe(FailedShare(failed, items, failed))
    return made


def test_without_a_gate_the_first_error_still_ends_the_run():
    lab = Lab()
    with pytest.raises(ValueError, match="bad item 3") as caught:
        lab.compare([fails(lab, lambda item, _: item == 3)], requirements=[speedup(1.5)])
    assert caught.value.__notes__[0] == "stage 'parse', item 3"
    assert lab.partial.findings[0].reason is Reason.STAGE_RAISED


def test_no_failed_item_meets_a_limit_of_zero():
    lab = Lab()
    (finding,) = lab.compare(requirements=[error_rate(0)]).findings
    assert finding.verdict is Verdict.MET
    assert finding.headline.startswith("error rate 0 % <= 0 % (threads; 95 % interval 0-")
    assert f"0 of {finding.estimate.count} items failed" in finding.headline


def test_one_failed_item_in_a_thousand_misses_a_limit_of_zero_and_is_named():
    lab = Lab()

    def once(item, arm):
        return arm == "threads" and item == 17 and lab.threads.executions == 20

    result = lab.compare(
        [lab.stage("fetch", 0.001), fails(lab, once)], requirements=[error_rate(0)]
    )
    (finding,) = result.findings
    assert (finding.verdict, finding.reason) == (Verdict.MISSED, Reason.NONE)
    assert f"1 of {finding.estimate.count} items failed" in finding.headline
    assert finding.estimate.count > 1000
    assert finding.evidence == ("stage 'parse', item 17: ValueError: bad item 17",)
    assert finding.cause.startswith("0 of ")
    assert finding.cause.endswith("items failed under serial: the failures come with concurrency")
    assert "what stage 'parse' shares between items" in finding.next_step


@pytest.mark.parametrize(("every", "verdict"), [(100, Verdict.MET), (5, Verdict.MISSED)])
def test_a_share_is_told_from_its_limit(every, verdict):
    lab = Lab()
    stages = [fails(lab, lambda item, arm: item % every == 7 % every)]
    (finding,) = lab.compare(stages, range(100), requirements=[error_rate(0.05)]).findings
    assert finding.verdict is verdict
    assert finding.estimate.value == pytest.approx(1 / every)
    assert finding.estimate.lower < 1 / every < finding.estimate.upper


def test_failures_in_both_arms_are_not_blamed_on_concurrency():
    lab = Lab()
    stages = [fails(lab, lambda item, _: item == 7)]
    (finding,) = lab.compare(stages, requirements=[error_rate(0)]).findings
    assert "items failed under serial too" in finding.cause
    assert finding.next_step == "run stage 'parse' alone on item 7"


def test_an_arm_that_no_error_rate_binds_is_not_met_by_failing():
    lab = Lab()
    broken = VirtualExecutor("processes", lab.machine)
    stages = [fails(lab, lambda item, arm: arm == "processes")]
    with pytest.raises(ValueError, match="bad item 0"):
        lab.compare(
            stages,
            requirements=[error_rate(0.5, executor="threads"), speedup(0.5, executor="processes")],
            candidates=[lab.threads, broken],
        )
    assert lab.partial.findings[0].reason is Reason.STAGE_RAISED


def test_failures_of_the_baseline_are_counted_when_another_arm_is_gated():
    lab = Lab()
    stages = [fails(lab, lambda item, arm: item == 7 and arm == "serial")]
    result = lab.compare(stages, requirements=[error_rate(0, executor="threads")])
    assert [finding.verdict for finding in result.findings] == [Verdict.MET]


def test_where_no_arm_with_a_limit_can_run_a_failed_item_of_the_baseline_ends_nothing():
    lab = Lab()
    gpu = VirtualExecutor("cuda", lab.machine, unavailable="no device")
    stages = [fails(lab, lambda item, arm: item == 7)]
    result = lab.compare(stages, requirements=[error_rate(0.1)], candidates=[gpu])
    assert [finding.verdict for finding in result.findings] == [Verdict.UNAVAILABLE]
    assert len(result.outputs) == 39


def test_the_baseline_itself_may_be_gated():
    lab = Lab()
    stages = [fails(lab, lambda item, arm: item == 7 and arm == "serial")]
    (finding,) = lab.compare(stages, requirements=[error_rate(0, executor="serial")]).findings
    assert (finding.executor, finding.verdict) == ("serial", Verdict.MISSED)
    assert finding.cause == "the baseline itself fails: concurrency is not needed for it"


def test_a_flaky_service_fails_at_other_items_each_time_and_outputs_are_still_compared():
    lab = Lab()
    calls = iter(range(10**6))
    stages = [fails(lab, lambda item, arm: next(calls) % 97 == 0)]
    result = lab.compare(stages, range(50), requirements=[error_rate(0.1)])
    assert [finding.verdict for finding in result.findings] == [Verdict.MET]
    assert any("outputs are compared over the items that came out" in w for w in result.warnings)


def test_a_wrong_output_is_found_although_other_items_failed():
    lab = Lab()

    def score(item):
        return -1 if item == 9 and lab.machine.running == "threads" else item

    stages = [fails(lab, lambda item, arm: item == (3 if arm == "serial" else 4)), Stage(score)]
    (finding,) = lab.compare(stages, requirements=[error_rate(0.5)]).findings
    assert finding.reason is Reason.OUTPUTS_DIFFER
    assert "output 9 differs: expected 9, got -1" in finding.headline


def test_an_item_that_failed_in_the_baselines_first_execution_is_compared_once_it_came_out():
    lab = Lab()

    def score(item):
        return -1 if item == 9 and lab.machine.running == "threads" else item

    stages = [
        fails(lab, lambda item, arm: item == 9 and arm == "serial" and lab.serial.executions < 1),
        Stage(score),
    ]
    (finding,) = lab.compare(stages, requirements=[error_rate(0.5)]).findings
    assert finding.reason is Reason.OUTPUTS_DIFFER
    assert finding.executor == "threads"


def test_every_item_may_fail_and_nothing_breaks():
    lab = Lab()
    stages = [fails(lab, lambda item, arm: True)]
    requirements = [error_rate(0.5), p99(0.1), speedup(1.0)]
    result = lab.compare(stages, requirements=requirements, budget_s=1)
    missed = result.findings[0]
    assert missed.verdict is Verdict.MISSED
    assert result.outputs == []
    assert len(missed.evidence) <= 7


def test_the_items_needed_are_announced_before_measuring():
    lab = Lab()
    lab.compare(requirements=[error_rate(0.01)])
    needed = gate(0.01).items_needed
    (line,) = [each for each in lab.progress if "needs" in each]
    assert line.startswith(f"error rate of threads: needs {needed} items without a failure, about ")
    assert lab.progress.index(line) < lab.progress.index(
        next(each for each in lab.progress if each.startswith("round 1"))
    )


def test_a_limit_that_the_budget_can_never_certify_is_invalid_with_the_number_of_items():
    lab = Lab()
    stages = [lab.stage("slow", 0.05)]
    (finding,) = lab.compare(
        stages, range(10), requirements=[error_rate(0.0001)], budget_s=2
    ).findings
    assert (finding.verdict, finding.reason) == (Verdict.INVALID, Reason.SAMPLES)
    needed = gate(0.0001).items_needed
    assert needed > 30_000
    assert f"an error rate of at most 0.01 % needs {needed} items without a failure" in finding.text
    assert finding.next_step.startswith("use a larger max, quicker items, or @pytest.mark.measure(")


def test_an_open_gate_goes_on_until_enough_items_went_through():
    lab = Lab()
    (finding,) = lab.compare(range_of_two(lab), range(2), requirements=[error_rate(0.01)]).findings
    assert finding.verdict is Verdict.MET
    assert finding.estimate.count >= gate(0.01).items_needed


def test_executions_that_take_longer_than_the_profiled_one_do_not_end_one_item_short():
    lab = Lab()
    lab.threads.slowdown = lambda execution: 1.0 if execution < 12 else 1.05
    (finding,) = lab.compare(range_of_two(lab), range(2), requirements=[error_rate(0.01)]).findings
    assert (finding.verdict, finding.reason) == (Verdict.MET, Reason.NONE)


def range_of_two(lab):
    return [lab.stage("quick", 0.2)]


def test_a_share_at_its_limit_is_near_the_limit_and_never_guessed():
    lab = Lab()
    stages = [fails(lab, lambda item, arm: item == 7, seconds=0.0001)]
    (finding,) = lab.compare(
        stages, range(20), requirements=[error_rate(0.05, tolerance=0.0)], budget_s=5
    ).findings
    assert (finding.verdict, finding.reason) == (Verdict.INCONCLUSIVE, Reason.NEAR_LIMIT)


def test_a_busy_machine_does_not_make_the_answer_inconclusive():
    lab = Lab(neighbour=lambda now_s: 3.0)
    stages = [fails(lab, lambda item, arm: item == 7)]
    (finding,) = lab.compare(stages, requirements=[error_rate(0)], budget_s=1).findings
    assert finding.verdict is Verdict.MISSED


def test_nor_does_company():
    lab = Lab()
    stages = [fails(lab, lambda item, arm: item == 7)]
    (finding,) = lab.compare(stages, requirements=[error_rate(0)], company="xdist").findings
    assert finding.verdict is Verdict.MISSED


def test_switched_off_failures_are_said_and_only_a_limit_of_zero_is_judged():
    lab = Lab()
    stages = [fails(lab, lambda item, arm: item == 7)]
    result = lab.compare(stages, requirements=[error_rate(0.01)], mode="off")
    assert [finding.verdict for finding in result.findings] == [Verdict.NOT_RUN]
    assert any("1 of 40 items failed under threads" in each for each in result.warnings)
    assert lab.threads.executions == 1


def test_switched_off_a_failed_item_still_contradicts_a_limit_of_zero():
    lab = Lab()
    stages = [fails(lab, lambda item, arm: item == 7)]
    (finding,) = lab.compare(stages, requirements=[error_rate(0)], mode="off").findings
    assert (finding.verdict, finding.reason) == (Verdict.MISSED, Reason.NONE)
    assert "1 of 40 items failed" in finding.headline
    assert finding.evidence == ("stage 'parse', item 7: ValueError: bad item 7",)


@pytest.mark.parametrize(("limit", "verdict"), [(0, Verdict.MISSED), (0.1, Verdict.INVALID)])
def test_switched_off_a_pipeline_that_gives_nothing_at_all_fails(limit, verdict):
    lab = Lab()
    stages = [fails(lab, lambda item, arm: True)]
    (finding,) = lab.compare(stages, requirements=[error_rate(limit)], mode="off").findings
    assert finding.verdict is verdict


def test_switched_off_the_text_of_a_pipeline_that_gives_nothing_names_stage_and_message():
    lab = Lab()
    stages = [fails(lab, lambda item, arm: arm == "threads")]
    (finding,) = lab.compare(stages, range(2), requirements=[error_rate(0.1)], mode="off").findings
    assert finding.reason is Reason.STAGE_RAISED
    assert finding.text.splitlines() == [
        "error rate not run (threads): 2 of 2 items failed in the one execution, so that no output could be compared",
        "  0 of 2 items failed under serial: the failures come with concurrency",
        "  stage 'parse', item 0: ValueError: bad item 0",
        "  stage 'parse', item 1: ValueError: bad item 1",
        "  next: look for what stage 'parse' shares between items (connections, caches, limits of a service)",
    ]


@pytest.mark.parametrize(
    ("is_bad", "verdict"),
    [
        (lambda item, arm: item == 7, Verdict.MISSED),
        (lambda item, arm: item == 7 and arm == "threads", Verdict.NOT_RUN),
    ],
)
def test_switched_off_a_limit_for_the_best_arm_is_missed_when_all_arms_miss_it(is_bad, verdict):
    lab = Lab()
    arms = [lab.threads, VirtualExecutor("processes", lab.machine)]
    result = lab.compare(
        [fails(lab, is_bad)],
        requirements=[error_rate(0, executor="best")],
        candidates=arms,
        mode="off",
    )
    assert [finding.verdict for finding in result.findings] == [verdict]


# --- the rule itself


def test_failures_that_come_after_the_limit_was_met_are_not_overlooked():
    made = fed(0.01, (0, 400))
    assert made.status is Status.MET
    made.observe(FailedShare(30, 100, 30))
    assert made.status is Status.OPEN
    for _ in range(3):
        made.observe(FailedShare(30, 100, 30))
    assert made.status is Status.MISSED


def test_a_missed_limit_stays_missed_however_many_good_items_follow():
    made = fed(0.01, (100, 100), (100, 100))
    assert made.status is Status.MISSED
    made.observe(FailedShare(0, 100_000, 0))
    assert made.status is Status.MISSED


def test_failures_in_stretches_ask_for_more_items():
    scattered, together = gate(0.05), gate(0.05)
    for _ in range(10):
        scattered.observe(FailedShare(1, 100, 1))
        together.observe(FailedShare(0, 100, 0))
    together.observe(FailedShare(10, 10, 1))
    assert scattered.status is Status.MET
    assert together.stretch == 10
    assert together.status is not Status.MET
    assert together.items_needed > 5 * scattered.items_needed


def test_one_bad_moment_alone_does_not_miss_a_limit_of_one_per_cent():
    assert fed(0.01, *[(0, 100)] * 10, (5, 100)).status is not Status.MISSED


def test_an_execution_without_items_proves_nothing():
    assert fed(0, (0, 0)).status is Status.OPEN
    assert fed(0.01, (0, 0)).estimate(()) is None


@pytest.mark.parametrize("limit", [0.0, 0.001, 0.01, 0.5, 0.96, 0.999])
def test_every_limit_that_a_marker_takes_can_be_bet_on(limit):
    assert fed(limit, *[(0, 100)] * 60).status in {Status.MET, Status.OPEN}
    assert gate(limit).items_needed >= 1


@pytest.mark.parametrize("together", [1, 5])
def test_a_service_at_its_limit_is_hardly_ever_failed_whether_failures_scatter_or_come_together(
    together,
):
    """Worst case of the null, 400 seeded runs of 60 executions of 40 items; 0.1 % is allowed."""
    chance, missed = random.Random(11), 0
    limit = 0.05 * 1.05
    for _ in range(400):
        made = gate(0.05)
        for _ in range(60):
            groups = sum(chance.random() < limit for _ in range(40 // together))
            made.observe(FailedShare(groups * together, 40, groups))
        missed += made.status is Status.MISSED
    assert missed <= 2


def test_five_times_the_allowed_failures_are_found_within_the_rounds_of_an_ordinary_run():
    chance, found = random.Random(12), 0
    for _ in range(100):
        made = gate(0.01)
        for _ in range(40):
            failed = sum(chance.random() < 0.05 for _ in range(40))
            made.observe(FailedShare(failed, 40, failed))
        found += made.status is Status.MISSED
    assert found >= 95


def test_a_plain_miss_of_a_long_item_list_is_missed_although_few_executions_hold_all_the_items():
    lab = Lab()
    often = fails(lab, lambda item, arm: arm == "threads" and item % 20 == 0, seconds=0.005)
    (finding,) = lab.compare([often], range(1000), requirements=[error_rate(0.01)]).findings
    assert finding.verdict is Verdict.MISSED


def test_a_budget_of_too_few_executions_for_any_miss_is_invalid_and_not_near_its_limit():
    lab = Lab()
    stages = [fails(lab, lambda item, arm: item % 20 == 0, seconds=0.011)]
    (finding,) = lab.compare(
        stages, range(1000), requirements=[error_rate(0.01)], budget_s=5
    ).findings
    assert (finding.verdict, finding.reason) == (Verdict.INVALID, Reason.SAMPLES)
    assert "a plain miss of an error rate needs 6 executions" in finding.text
    assert finding.next_step.startswith("pass fewer items, or use @pytest.mark.measure(budget=")
