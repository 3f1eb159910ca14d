"""A slow control kernel with nobody else on the cores hides no regression; with somebody there, nothing fails."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from unit.virtual import Lab, speedup, used

from pytest_pipeline.measure.machine import Usage
from pytest_pipeline.model.finding import Reason, Verdict
from pytest_pipeline.model.requirement import Quantity, Requirement

BUSY = (Verdict.INCONCLUSIVE, Reason.BUSY)
REGRESSION = (160 / 82) / (1.8 * 0.95) / 0.8
"""Slowdown that leaves the default plan 0.8x of an effective limit of 1.8x less 5 %."""
HEALTHY = (160 / 82) / (1.8 * 0.95) / 1.05

Factor = Callable[[float], float]


def slow_control(now_s: float) -> float:
    """The scheduler packs the two threads of the control onto one core, once the rounds have begun."""
    return 1.0 if now_s < 1.5 else 1.8


def verdict_of(lab: Lab, slowdown: float, limit: float = 1.8, **options):
    lab.threads.slowdown = lambda _: slowdown
    (finding,) = lab.compare(requirements=[speedup(limit)], budget_s=20, **options).findings
    return finding


def alone(**machine) -> Lab:
    return Lab(cpu_share=1.0, neighbour=slow_control, usage=used(lambda _: 0.0), **machine)


def test_a_regression_fails_although_the_control_is_slow_when_nobody_else_is_there():
    finding = verdict_of(alone(), REGRESSION)
    assert finding.verdict is Verdict.MISSED
    assert finding.dirty_rounds == 0


def test_healthy_code_is_met_although_the_control_is_slow_when_nobody_else_is_there():
    assert verdict_of(alone(), HEALTHY).verdict is Verdict.MET


@pytest.mark.parametrize("cores", [0.15, 0.5, 1.0])
def test_a_slow_control_beside_somebody_who_uses_the_cores_leaves_the_test_busy(cores):
    lab = Lab(cpu_share=1.0, neighbour=slow_control, usage=used(lambda _: cores))
    finding = verdict_of(lab, REGRESSION)
    assert (finding.verdict, finding.reason) == BUSY


def test_where_a_hypervisor_may_hide_others_a_slow_control_still_disturbs():
    usage = used(lambda _: 0.0, sees_others=False)
    finding = verdict_of(Lab(cpu_share=1.0, neighbour=slow_control, usage=usage), REGRESSION)
    assert (finding.verdict, finding.reason) == BUSY


def test_counters_that_do_not_even_show_our_own_time_prove_nothing():
    lab = Lab(
        cpu_share=1.0,
        neighbour=slow_control,
        usage=lambda now_s: Usage(now_s, 0.0, throttled=0, sees_others=True),
    )
    finding = verdict_of(lab, REGRESSION)
    assert (finding.verdict, finding.reason) == BUSY


def test_a_server_that_the_tests_started_is_a_neighbour_although_it_is_our_child():
    def usage(now_s: float) -> Usage:
        return Usage(2 * now_s, 2 * now_s, throttled=0, children_cpu_s=now_s, sees_others=True)

    finding = verdict_of(Lab(cpu_share=1.0, neighbour=slow_control, usage=usage), REGRESSION)
    assert (finding.verdict, finding.reason) == BUSY


def test_worker_processes_are_nobody_else():
    def usage(now_s: float) -> Usage:
        return Usage(
            2 * now_s, 2 * now_s, 0, children_cpu_s=now_s, workers_cpu_s=now_s, sees_others=True
        )

    finding = verdict_of(Lab(cpu_share=1.0, neighbour=slow_control, usage=usage), REGRESSION)
    assert finding.verdict is Verdict.MISSED


def spells(seed: int, on_s: tuple[float, float], off_s: tuple[float, float]) -> Factor:
    """A neighbour that is there (1.0) and not there (0.0) in turn, from the second second on."""
    draws = random.Random(seed)
    edges = [2.0]
    while edges[-1] < 400:
        edges.append(edges[-1] + draws.uniform(*(on_s if len(edges) % 2 else off_s)))

    def is_there(now_s: float) -> float:
        return float(sum(edge <= now_s for edge in edges) % 2)

    return is_there


KINDS = {
    "on-off": ((1.0, 4.0), (1.0, 4.0)),
    "bursts": ((0.05, 0.3), (0.05, 0.5)),
    "there-for-good": ((1e6, 1e6), (1.0, 1.0)),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(6))
def test_healthy_code_beside_a_visible_neighbour_is_never_failed(kind, seed):
    is_there = spells(seed, *KINDS[kind])

    def neighbour(now_s: float) -> float:
        return 1.7 if is_there(now_s) else 1.0

    lab = Lab(cpu_share=1.0, neighbour=neighbour, usage=used(is_there))
    lab.threads.slowdown = lambda _: (
        HEALTHY * (1.0 + 0.7 * is_there(lab.machine.clock.now_ns() / 1e9))
    )
    (finding,) = lab.compare(requirements=[speedup(1.8)], budget_s=20).findings
    assert finding.verdict is not Verdict.MISSED


def test_a_slow_clock_does_not_fail_a_throughput_that_no_baseline_divides():
    def clock(now_s: float) -> float:
        return 1.0 if now_s < 1.5 else 1.7

    lab = Lab(cpu_share=1.0, crowd=clock, usage=used(lambda _: 0.0))
    lab.threads.slowdown = lab.serial.slowdown = lambda _: clock(lab.machine.clock.now_ns() / 1e9)
    gate = Requirement(Quantity.THROUGHPUT, 40 / 0.082 / 1.1)
    (finding,) = lab.compare(requirements=[gate], budget_s=20).findings
    assert (finding.verdict, finding.reason) == BUSY


def test_a_speedup_is_judged_through_a_slow_clock_which_both_arms_share():
    def clock(now_s: float) -> float:
        return 1.0 if now_s < 1.5 else 1.7

    lab = Lab(cpu_share=1.0, crowd=clock, usage=used(lambda _: 0.0))
    assert verdict_of(lab, REGRESSION).verdict is Verdict.MISSED


def test_the_round_says_that_its_control_was_slow_and_nobody_took_a_core():
    lab = alone()
    lab.threads.slowdown = lambda _: HEALTHY
    last = lab.compare(requirements=[speedup(1.8)], budget_s=20).rounds[-1]
    assert last.is_clean
    assert last.disturbance.startswith("slow with nobody else there: control kernel slow")
    assert not last.is_steady


def test_one_bad_moment_of_the_control_before_the_confirmation_is_no_lack_of_capacity():
    lab = Lab(cpu_share=1.0)
    began: list[float] = []

    def crowd(now_s: float) -> float:
        if any("confirming" in text for text in lab.progress):
            began.append(now_s)
        lab.machine._turbo = 1.8 if began and now_s < began[0] + 1.5 else 1.0
        return 1.0

    lab.machine._crowd = crowd
    assert verdict_of(lab, REGRESSION).verdict is Verdict.MISSED
    assert any("waiting for a quiet moment" in text for text in lab.progress)


@pytest.mark.parametrize(("slowdown", "verdict"), [(REGRESSION, "missed"), (HEALTHY, "met")])
def test_one_bad_moment_of_the_control_before_the_rounds_is_no_lack_of_capacity(slowdown, verdict):
    lab = Lab(cpu_share=1.0)

    def crowd(now_s: float) -> float:
        lab.machine._turbo = 1.8 if now_s < 3.0 else 1.0
        return 1.0

    lab.machine._crowd = crowd
    assert verdict_of(lab, slowdown).verdict == verdict
    assert any("waiting for a quiet moment" in text for text in lab.progress)


def test_a_machine_with_too_few_cores_is_not_asked_again():
    lab = Lab(cpu_share=1.0)
    finding = verdict_of(lab, HEALTHY, limit=4.0)
    assert (finding.verdict, finding.reason) == (Verdict.INCONCLUSIVE, Reason.CAPACITY)
    assert not any("waiting for a quiet moment" in text for text in lab.progress)


def there_first(foreign_cores: float) -> tuple[float, Verdict, Reason]:
    lab = Lab(cpu_share=1.0, neighbour=lambda _: 1.8, usage=used(lambda _: foreign_cores))
    finding = verdict_of(lab, HEALTHY)
    return lab.machine.clock.now_ns() / 1e9, finding.verdict, finding.reason


def test_beside_a_neighbour_that_is_seen_to_stay_the_answer_comes_without_asking_again_and_again():
    unseen_s, *unseen = there_first(0.0)
    seen_s, *seen = there_first(1.0)
    assert unseen == seen == [Verdict.INCONCLUSIVE, Reason.CAPACITY]
    assert seen_s < unseen_s - 4.0
