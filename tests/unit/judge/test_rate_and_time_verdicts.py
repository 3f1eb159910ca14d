"""What throughput, first result and efficiency gates answer, on virtual time."""

from __future__ import annotations

import pytest
from unit.virtual import Lab, sometimes, speedup

from pytest_pipeline.errors import UsageError
from pytest_pipeline.judge.conclude import Circumstances, conclude
from pytest_pipeline.judge.gate import Errors, Status
from pytest_pipeline.judge.ladder import LadderGate
from pytest_pipeline.judge.readings import (
    FirstResultReading,
    SpeedupReading,
    ThroughputReading,
)
from pytest_pipeline.model.finding import Reason, Verdict
from pytest_pipeline.model.requirement import Quantity, Requirement
from pytest_pipeline.model.rounds import Phase, Round
from pytest_pipeline.testing import VirtualExecutor

CLEARLY_ENOUGH = {
    Quantity.THROUGHPUT: 400.0,
    Quantity.FIRST_RESULT: 0.006,
    Quantity.EFFICIENCY: 0.5,
}
CLEARLY_TOO_MUCH = {
    Quantity.THROUGHPUT: 700.0,
    Quantity.FIRST_RESULT: 0.002,
    Quantity.EFFICIENCY: 0.95,
}
quantities = pytest.mark.parametrize("quantity", list(CLEARLY_ENOUGH))


@quantities
def test_a_clearly_met_limit_is_met_after_five_clean_rounds(quantity):
    requirement = Requirement(quantity, CLEARLY_ENOUGH[quantity])
    (finding,) = Lab().compare(requirements=[requirement]).findings
    assert (finding.verdict, finding.reason) == (Verdict.MET, Reason.NONE)
    assert finding.clean_rounds == 5


@quantities
def test_a_clearly_missed_limit_is_missed_within_fifteen_rounds_on_fresh_workers(quantity):
    lab = Lab()
    result = lab.compare(requirements=[Requirement(quantity, CLEARLY_TOO_MUCH[quantity])])
    (finding,) = result.findings
    assert finding.verdict is Verdict.MISSED
    assert len([each for each in result.rounds if each.phase is not Phase.WARM_UP]) <= 15
    assert lab.threads.opened == 2


@quantities
def test_the_finding_shows_value_and_interval_in_the_unit_of_the_quantity(quantity):
    result = Lab().compare(requirements=[Requirement(quantity, CLEARLY_TOO_MUCH[quantity])])
    headline = result.findings[0].headline
    shown = {
        Quantity.THROUGHPUT: "throughput 488/s < 700/s (threads; 95 % interval 488-488/s, ",
        Quantity.FIRST_RESULT: "first result 4.00 ms > 2.00 ms (threads; 95 % interval 4.00-4.00 ms, ",
        Quantity.EFFICIENCY: "efficiency 65 % < 95 % (threads; 95 % interval 65-65 %, ",
    }
    assert headline.startswith(shown[quantity])


def test_a_value_within_the_tolerance_is_met_and_the_message_says_so():
    (finding,) = Lab().compare(requirements=[Requirement(Quantity.FIRST_RESULT, 0.0039)]).findings
    assert finding.verdict is Verdict.MET
    assert "4.00 ms, within 5 % of 3.90 ms" in finding.headline


def test_a_throughput_is_items_per_second_of_the_arm_whatever_the_baseline_does():
    lab = Lab()
    lab.serial.slowdown = lambda _: 10.0
    result = lab.compare(requirements=[Requirement(Quantity.THROUGHPUT, 700.0)])
    assert result.findings[0].verdict is Verdict.MISSED
    assert result.findings[0].estimate.value == pytest.approx(40 / 0.082)
    assert result["threads"].throughput_per_s == pytest.approx(40 / 0.082)


def test_a_source_that_gives_other_items_every_time_counts_those_it_gave():
    lab = Lab()
    result = lab.compare(items=lambda: iter(range(24)))
    assert {each.num_items for each in result.rounds} == {24}


def test_an_efficiency_counts_every_worker_of_every_stage():
    lab = Lab()
    result = lab.compare(
        lab.stages(workers=2), requirements=[Requirement(Quantity.EFFICIENCY, 0.5)]
    )
    arm = result["threads"]
    assert arm.workers == 4
    assert result.findings[0].estimate.value == pytest.approx(arm.speedup.value / 4)
    assert arm.efficiency == pytest.approx(arm.speedup.value / 4)


def test_gates_of_one_test_share_the_rounds():
    wanted = [Requirement(quantity, limit) for quantity, limit in CLEARLY_ENOUGH.items()]
    alone = Lab().compare(requirements=[speedup(1.5)])
    together = Lab().compare(requirements=[speedup(1.5), *wanted])
    assert [each.verdict for each in together.findings] == [Verdict.MET] * 4
    assert len(together.rounds) == len(alone.rounds)


@quantities
def test_disturbed_rounds_change_nothing_and_are_called_busy(quantity):
    def neighbour(now: float) -> float:
        return 1.0 if now < 1.0 else 1.6

    lab = Lab(cpu_share=1.0, neighbour=neighbour)
    lab.threads.slowdown = lambda _: 1.0 if lab.machine.clock.now_ns() < 1e9 else 3.0
    requirement = Requirement(quantity, CLEARLY_ENOUGH[quantity])
    (finding,) = lab.compare(items=range(16), requirements=[requirement], budget_s=8).findings
    assert (finding.verdict, finding.reason) == (Verdict.INCONCLUSIVE, Reason.BUSY)
    assert "disturbed from outside" in finding.text


def test_an_absolute_gate_needs_no_parallel_capacity_of_the_host():
    one_core = Lab(cpu_share=0.6, cores=2.0)
    met = one_core.compare(
        requirements=[Requirement(Quantity.THROUGHPUT, 400.0), speedup(3.9)]
    ).findings
    assert (met[0].verdict, met[1].reason) == (Verdict.MET, Reason.CAPACITY)


def test_a_neighbour_that_was_there_first_makes_an_absolute_gate_busy_never_missed():
    lab = Lab(cpu_share=1.0, neighbour=lambda _: 1.6)
    lab.threads.slowdown = lambda _: 3.0
    result = lab.compare(requirements=[Requirement(Quantity.THROUGHPUT, 400.0)])
    (finding,) = result.findings
    assert (finding.verdict, finding.reason) == (Verdict.INCONCLUSIVE, Reason.BUSY)
    assert "control kernel reaches 1.25x on 2 workers" in finding.text
    assert len([each for each in result.rounds if each.phase is Phase.MEASURE]) == 1


def test_an_efficiency_that_this_host_cannot_give_lacks_capacity():
    lab = Lab(cpu_share=1.0, cores=2.0)
    requirement = Requirement(Quantity.EFFICIENCY, 0.9)
    (finding,) = lab.compare(requirements=[requirement]).findings
    assert (finding.verdict, finding.reason) == (Verdict.INCONCLUSIVE, Reason.CAPACITY)


@quantities
def test_an_intermittent_slow_mode_is_not_met_although_its_best_moments_are_fast(quantity):
    lab = Lab()
    lab.threads.slowdown = sometimes(0.6, 2.5)
    requirement = Requirement(quantity, CLEARLY_ENOUGH[quantity])
    (finding,) = lab.compare(requirements=[requirement]).findings
    assert finding.verdict is not Verdict.MET


@pytest.mark.parametrize("quantity", [Quantity.THROUGHPUT, Quantity.FIRST_RESULT])
def test_an_absolute_gate_may_bind_the_baseline_itself(quantity):
    requirement = Requirement(quantity, {True: 200.0, False: 0.006}[quantity.is_minimum])
    bound = Requirement(quantity, requirement.limit, executor="serial")
    (finding,) = Lab().compare(requirements=[bound]).findings
    assert (finding.verdict, finding.executor) == (Verdict.MET, "serial")


def test_an_absolute_gate_on_the_baseline_is_decided_where_no_other_arm_can_run():
    lab = Lab()
    gpu = VirtualExecutor("cuda", lab.machine, unavailable="no device")
    bound = Requirement(Quantity.THROUGHPUT, 200.0, executor="serial")
    finding = lab.compare(requirements=[bound], candidates=[gpu]).findings[0]
    assert (finding.verdict, finding.executor) == (Verdict.MET, "serial")


def test_an_efficiency_of_the_baseline_is_refused():
    bound = Requirement(Quantity.EFFICIENCY, 0.5, executor="serial")
    with pytest.raises(
        UsageError, match="'serial' is the baseline, with which efficiency compares"
    ):
        Lab().compare(requirements=[bound])


def test_a_missed_throughput_says_which_speedup_it_amounts_to():
    (finding,) = Lab().compare(requirements=[Requirement(Quantity.THROUGHPUT, 700.0)]).findings
    assert "bottleneck: stage 'parse'" in finding.cause
    assert "700/s is 2.80x what the baseline reaches" in finding.cause
    assert "Stage(parse, workers=2) is predicted to reach" in finding.next_step


def test_a_missed_first_result_says_where_the_first_item_spent_its_time():
    (finding,) = Lab().compare(requirements=[Requirement(Quantity.FIRST_RESULT, 0.002)]).findings
    assert finding.cause == (
        "item 0 came out first: 2.00 ms in the service of stage 'parse', "
        "2.00 ms in other stages, 0 ns before and between them"
    )


def test_a_missed_efficiency_names_the_worker_to_add_or_to_save():
    requirement = Requirement(Quantity.EFFICIENCY, 0.95)
    (more,) = Lab().compare(requirements=[requirement]).findings
    assert more.next_step == "Stage(parse, workers=2) is predicted to reach 93 %, short of 95 %"
    lab = Lab()
    wide = [lab.stage("fetch", 0.002), lab.stage("parse", 0.001, workers=2)]
    (fewer,) = lab.compare(wide, requirements=[requirement]).findings
    assert fewer.next_step == "Stage(parse, workers=1) is predicted to reach 74.1 %, short of 95 %"


def test_first_results_are_medians_over_rounds_of_every_arm():
    result = Lab().compare()
    assert result["threads"].first_result_s == pytest.approx(0.004)
    assert all(set(each.first_results_s) == {"serial", "threads"} for each in result.rounds)


@pytest.mark.parametrize(("workers", "reason"), [(1, Reason.NONE), (6, Reason.BUSY)])
def test_the_more_workers_may_compute_at_once_the_less_a_neighbour_is_overlooked(workers, reason):
    lab = Lab(cpu_share=0.15, neighbour=lambda now: 1.0 if now < 1.0 else 1.6)
    stages = [lab.stage("parse", 0.004, workers=workers)]
    requirement = Requirement(Quantity.THROUGHPUT, 200.0 * workers)
    (finding,) = lab.compare(stages, requirements=[requirement], budget_s=8).findings
    assert finding.reason is reason


def test_a_miss_is_not_believed_once_the_reference_has_become_untrustworthy():
    requirement = Requirement(Quantity.THROUGHPUT, 400.0)
    gate = LadderGate(requirement, "threads", ThroughputReading("threads"), errors=Errors())
    gate.status = Status.MISSED
    believed = conclude(gate, None, Circumstances())
    doubted = conclude(gate, None, Circumstances(mistrust="the control kernel reaches 1.2x"))
    assert believed.verdict is Verdict.MISSED
    assert (doubted.verdict, doubted.reason) == (Verdict.INCONCLUSIVE, Reason.BUSY)
    assert doubted.evidence == ("the control kernel reaches 1.2x",)


def test_the_missed_side_looks_at_the_best_sub_pair_and_the_met_side_at_the_median():
    each = Round(
        0,
        Phase.MEASURE,
        0.0,
        {"threads": (0.1, 0.4, 0.2)},
        first_results_s={"threads": (0.03, 0.01, 0.02)},
        num_items=4,
    )
    rate, time = ThroughputReading("threads"), FirstResultReading("threads")
    assert (rate.best(each), rate.typical(each)) == (40.0, 20.0)
    assert (time.best(each), time.typical(each)) == (0.01, 0.02)


def two_modes(quantity, limit, *, slow):
    """A gate after five rounds of 40 items, with `slow` of three executions at twice the 0.1 s of the others."""
    readings = {
        Quantity.THROUGHPUT: ThroughputReading("threads"),
        Quantity.FIRST_RESULT: FirstResultReading("threads"),
    }
    gate = LadderGate(Requirement(quantity, limit), "threads", readings[quantity], errors=Errors())
    for index in range(5):
        seconds = (0.1,) * (3 - slow) + (0.2 + index / 1000,) * slow
        times = {"threads": seconds}
        gate.observe(Round(index, Phase.MEASURE, 0.0, times, first_results_s=times, num_items=40))
    return gate


@pytest.mark.parametrize(("slow", "reason"), [(1, Reason.NONE), (2, Reason.UNSTEADY)])
@pytest.mark.parametrize(
    ("quantity", "limit"), [(Quantity.THROUGHPUT, 300.0), (Quantity.FIRST_RESULT, 0.15)]
)
def test_more_than_half_in_a_slow_mode_is_unsteady_also_where_slow_means_more(
    quantity, limit, slow, reason
):
    gate = two_modes(quantity, limit, slow=slow)
    assert gate.status is (Status.OPEN if reason else Status.MET)
    assert conclude(gate, None, Circumstances()).reason is reason


@pytest.mark.parametrize(
    ("quantity", "limit"), [(Quantity.THROUGHPUT, 150.0), (Quantity.FIRST_RESULT, 0.3)]
)
def test_a_slow_mode_that_meets_the_limit_is_met(quantity, limit):
    assert two_modes(quantity, limit, slow=2).status is Status.MET


def test_clean_warm_up_rounds_do_not_hide_what_the_disturbed_ones_showed():
    requirement = Requirement(Quantity.THROUGHPUT, 400.0)
    reading = ThroughputReading("threads")
    gate = LadderGate(requirement, "threads", reading, errors=Errors())
    warm, busy = (
        Round(
            index=index,
            phase=phase,
            began_s=0.0,
            makespans_s={"threads": (0.1,)},
            num_items=40,
            is_clean=phase is Phase.WARM_UP,
        )
        for index, phase in enumerate((Phase.WARM_UP, Phase.MEASURE))
    )
    for each in (warm, busy):
        gate.observe(each)
    assert gate.estimate([warm, busy]).value == pytest.approx(400)


@pytest.mark.parametrize(
    ("around", "reason"),
    [({"traced": "a debugger"}, Reason.TRACED), ({"shortfall": "one core"}, Reason.CAPACITY)],
)
def test_a_tracer_or_too_few_cores_come_before_a_budget_that_is_short_for_their_sake(
    around, reason
):
    gate = LadderGate(speedup(2.0), "threads", SpeedupReading("serial", "threads"), errors=Errors())
    finding = conclude(gate, None, Circumstances(budget_short="needs 140 s", **around))
    assert (finding.verdict, finding.reason) == (Verdict.INCONCLUSIVE, reason)
