"""What a gate answers when most of what was measured was disturbed, on virtual time: never a miss by mistake."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from unit.virtual import Lab, p99, speedup, used

from pytest_pipeline.judge.conclude import Circumstances, conclude
from pytest_pipeline.judge.gate import Errors
from pytest_pipeline.judge.ladder import LadderGate
from pytest_pipeline.judge.latency import LatencyGate
from pytest_pipeline.judge.readings import SpeedupReading
from pytest_pipeline.measure.machine import Usage
from pytest_pipeline.measure.quiet import Beside, quiet_checks
from pytest_pipeline.measure.system.pressure import Counters
from pytest_pipeline.model.finding import Reason, Verdict
from pytest_pipeline.model.plan import Stage
from pytest_pipeline.model.requirement import Quantity, Requirement
from pytest_pipeline.model.rounds import LatencyBlock, Phase, Round

BUSY = (Verdict.INCONCLUSIVE, Reason.BUSY)
QUOTA = (Verdict.INCONCLUSIVE, Reason.QUOTA)
SELF_DISTURBED = (Verdict.MISSED, Reason.SELF_DISTURBED)


def bursts(seed: int, *, mean_s: float = 0.3) -> Callable[[float], float]:
    """A neighbour that knows nothing of us: half of the time it slows the control down."""
    draws = random.Random(seed)
    edges = [1.0]
    while edges[-1] < 600:
        edges.append(edges[-1] + draws.expovariate(1 / mean_s))

    def neighbour(now_s: float) -> float:
        return 1.8 if sum(edge <= now_s for edge in edges) % 2 else 1.0

    return neighbour


def long_arms(lab: Lab) -> list[Stage]:
    return [lab.stage("train", 0.2), lab.stage("score", 0.2)]


def counters(
    *, foreign_cores: float = 0.0, throttled_per_s: float = 0.0, from_s: float = 0.0
) -> Callable[[float], Usage]:
    def usage(now_s: float) -> Usage:
        times = math.ceil(max(0.0, now_s - from_s) * throttled_per_s)
        return Usage(own_cpu_s=0.0, machine_cpu_s=now_s * foreign_cores, throttled=times)

    return usage


def disturbing_itself(lab: Lab) -> None:
    """Script that every execution leaves the machine busy for half a second."""
    until_s = {"now": 0.0}

    def slowdown(_: int) -> float:
        until_s["now"] = lab.machine.clock.now_ns() / 1e9 + 0.6
        return 1.9

    lab.machine._neighbour = lambda now: (
        1.8 if lab.threads.executions and now < until_s["now"] else 1.0
    )
    lab.threads.slowdown = slowdown
    lab.serial.slowdown = lambda _: (slowdown(0), 1.0)[1]


@pytest.mark.parametrize("seed", range(30))
def test_bursts_of_a_neighbour_beside_long_arms_are_not_blamed_on_the_code(seed):
    lab = Lab(cpu_share=1.0, neighbour=bursts(seed))
    lab.threads.slowdown = lambda _: (1.6 / 1.0) / (1.3 * 0.95) * 0.999999
    (finding,) = lab.compare(
        long_arms(lab), range(4), requirements=[speedup(1.3)], budget_s=30
    ).findings
    assert finding.verdict is not Verdict.MISSED


def test_a_local_database_that_works_for_the_stages_is_not_the_code_keeping_the_machine_busy():
    lab = Lab(cpu_share=1.0, usage=counters(foreign_cores=0.4))
    (finding,) = lab.compare(
        long_arms(lab), range(4), requirements=[speedup(1.3)], budget_s=30
    ).findings
    assert (finding.verdict, finding.reason) == BUSY


def test_a_database_that_works_on_after_every_execution_is_not_the_code_keeping_the_machine_busy():
    lab = Lab(cpu_share=1.0)
    disturbing_itself(lab)
    lab.machine._usage = used(lambda now: float(lab.machine._neighbour(now) > 1.0))
    (finding,) = lab.compare(items=range(16), requirements=[speedup(1.7)], budget_s=8).findings
    assert (finding.verdict, finding.reason) == BUSY


def test_a_clock_that_sinks_under_load_is_not_the_code_keeping_the_machine_busy():
    lab = Lab(cpu_share=1.0)
    until_s = {"now": 0.0}

    def hot(_: int) -> float:
        until_s["now"] = lab.machine.clock.now_ns() / 1e9 + 0.6
        return 1.4

    def counted(now_s: float) -> Usage:
        tasks = {1: (round(now_s * 1e9), 0)}  # always on a core, and never waiting for one
        return Usage(now_s, now_s, 0, counters=Counters(tasks=tasks), sees_others=True)

    lab.threads.slowdown = lab.serial.slowdown = hot
    lab.machine._crowd = lambda now: 1.4 if now < until_s["now"] else 1.0
    lab.machine._usage = counted
    gate = Requirement(Quantity.THROUGHPUT, 40 / 0.082 / 1.3)
    (finding,) = lab.compare(requirements=[gate], budget_s=8).findings
    assert (finding.verdict, finding.reason) == BUSY
    assert "although nobody else took a core" in finding.text
    assert finding.next_step.startswith("gate a speedup")
    assert "from outside" not in finding.text


@pytest.mark.parametrize(
    ("own_s", "queues", "is_nobody"),
    [(2.0, [0.0], True), (2.5, [0.0], False), (2.0, [0.1], False), (2.0, [], False)],
    ids=["the control alone", "a core of ours beside it", "threads waited", "unreadable"],
)
def test_nobody_was_there_only_where_the_counters_show_it(own_s, queues, is_nobody):
    beside = Beside(2, seconds=1.0, own_s=own_s, queues=queues)
    assert beside.is_nobody is is_nobody


def test_a_gate_that_this_host_cannot_give_hides_no_other_behind_it():
    lab = Lab(cpu_share=1.0)
    disturbing_itself(lab)
    gates = [speedup(1.7), speedup(3.9)]
    first, second = lab.compare(items=range(16), requirements=gates, budget_s=8).findings
    assert (first.verdict, first.reason) == SELF_DISTURBED
    assert second.reason is Reason.CAPACITY


def test_a_speedup_over_a_baseline_that_a_crowd_slows_most_is_not_met():
    lab = Lab(cpu_share=1.0, crowd=lambda _: 2.0)
    lab.serial.slowdown = lambda _: 2.0
    (finding,) = lab.compare(items=range(13), requirements=[speedup(2.1)]).findings
    assert (finding.verdict, finding.reason) == (Verdict.INCONCLUSIVE, Reason.CAPACITY)


@pytest.mark.parametrize(
    "gate", [Requirement(Quantity.THROUGHPUT, 400), speedup(1.7)], ids=["throughput", "speedup"]
)
def test_a_plan_that_waits_is_not_failed_in_a_crowd_that_was_there_first(gate):
    lab = Lab(cpu_share=0.1, crowd=lambda _: 4.0)
    lab.threads.slowdown = lambda _: 1.9
    (finding,) = lab.compare(requirements=[gate], budget_s=8).findings
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert "it takes 4.0x its undisturbed time" in finding.text


def test_a_quota_that_stops_every_round_is_not_the_code_keeping_the_machine_busy():
    lab = Lab(usage=counters(throttled_per_s=100.0))
    (finding,) = lab.compare(requirements=[speedup(1.5)]).findings
    assert (finding.verdict, finding.reason) == QUOTA


def test_code_that_keeps_the_machine_busy_is_not_excused_by_a_quiet_second():
    lab = Lab(cpu_share=1.0)
    disturbing_itself(lab)
    (finding,) = lab.compare(items=range(16), requirements=[speedup(1.7)], budget_s=8).findings
    assert (finding.verdict, finding.reason) == SELF_DISTURBED
    assert "slow right after stages and quiet after a second" in finding.text


def test_a_p99_gate_beside_a_self_disturbed_speedup_answers_for_itself():
    lab = Lab(cpu_share=1.0)
    disturbing_itself(lab)
    gates = [speedup(1.7), p99(0.003, rate_per_s=100)]
    ratio, tail = lab.compare(items=range(16), requirements=gates, budget_s=8).findings
    assert (ratio.verdict, ratio.reason) == SELF_DISTURBED
    # Its blocks are long enough for the machine to come to rest before their last control.
    assert (tail.verdict, tail.reason) == (Verdict.MISSED, Reason.NONE)


@pytest.mark.parametrize(("missed", "checks"), [(0.001, 5), (0.0005, 6), (0.0001, 7)])
def test_a_neighbour_passes_the_alternations_at_most_once_in_a_thousand_runs(missed, checks):
    assert quiet_checks(missed) == checks
    assert 0.25**checks <= missed


def tail_of(lab: Lab, *, late_every: int, limit_s: float = 0.01, items: int = 40):
    calls = {"n": 0}

    def infer(item):
        calls["n"] += 1
        lab.machine.work(0.02 if calls["n"] % late_every == 0 else 0.002)
        return item

    stages = [lab.stage("fetch", 0.001), Stage(infer, name="infer"), lab.stage("store", 0.001)]
    gate = p99(limit_s, rate_per_s=100)
    return lab.compare(stages, range(items), requirements=[gate]).findings[0]


def test_late_items_beside_a_neighbour_that_was_there_first_are_busy_and_not_missed():
    finding = tail_of(Lab(neighbour=lambda _: 1.6), late_every=20)
    assert (finding.verdict, finding.reason) == BUSY
    assert "control kernel reaches 1.25x on 2 workers" in finding.text


def test_a_service_in_time_beside_a_neighbour_that_was_there_first_is_met():
    assert tail_of(Lab(neighbour=lambda _: 1.6), late_every=10**9).verdict is Verdict.MET


def test_late_items_are_missed_once_a_neighbour_that_was_there_first_has_left():
    lab = Lab(neighbour=lambda now: 1.6 if now < 5.0 else 1.0)
    assert tail_of(lab, late_every=20).verdict is Verdict.MISSED
    assert any("quiet moment" in text for text in lab.progress)


def test_a_neighbour_that_leaves_in_the_middle_of_the_blocks_is_noticed():
    lab = Lab(neighbour=lambda now: 1.6 if now < 35.0 else 1.0)
    assert tail_of(lab, late_every=20).verdict is Verdict.MISSED


def test_late_items_of_blocks_that_a_quota_stopped_are_the_quotas():
    finding = tail_of(Lab(usage=counters(throttled_per_s=100.0)), late_every=20)
    assert (finding.verdict, finding.reason) == QUOTA


def test_a_quota_that_stopped_the_rounds_does_not_rename_what_happened_to_the_blocks():
    quota_s = 3.0

    def usage(now_s: float) -> Usage:
        stops = math.ceil(min(now_s, quota_s) * 100)
        return Usage(own_cpu_s=0.0, machine_cpu_s=0.0, throttled=stops)

    lab = Lab(neighbour=lambda now: 1.0 if now < quota_s else 3.0, usage=usage)
    finding = tail_of(lab, late_every=20)
    assert (finding.verdict, finding.reason) == BUSY


def test_one_round_that_a_quota_stopped_does_not_explain_a_value_near_its_limit():
    def usage(now_s: float) -> Usage:
        return Usage(own_cpu_s=0.0, machine_cpu_s=0.0, throttled=int(now_s > 1.0))

    lab = Lab(usage=usage)
    lab.threads.slowdown = lambda _: (160 / 82) / (1.9 * 0.95) * 0.999999
    (finding,) = lab.compare(requirements=[speedup(1.9)], max_rounds=8).findings
    assert (finding.verdict, finding.reason) == (Verdict.INCONCLUSIVE, Reason.NEAR_LIMIT)


def test_a_disturbed_first_round_does_not_make_the_budget_invalid():
    lab = Lab(cpu_share=1.0)

    def is_over() -> bool:
        return any(text.startswith("round 1 ") for text in lab.progress)

    lab.threads.slowdown = lambda _: 1.0 if is_over() else 20.0
    lab.machine._neighbour = lambda _: 1.6 if lab.threads.executions > 1 and not is_over() else 1.0
    (finding,) = lab.compare(
        long_arms(lab), range(4), requirements=[speedup(1.3)], budget_s=30
    ).findings
    assert finding.verdict is Verdict.MET


def test_waiting_for_a_quiet_moment_takes_nothing_from_the_budget():
    lab = Lab(cpu_share=1.0, neighbour=lambda now: 1.6 if now < 9.0 else 1.0)
    lab.threads.slowdown = lambda _: (160 / 82) / (1.9 * 0.95) * 0.999999
    (finding,) = lab.compare(requirements=[speedup(1.9)], budget_s=3).findings
    assert (finding.verdict, finding.clean_rounds) == (Verdict.MET, 9)


def test_after_a_confirmation_the_fresh_workers_get_a_round_that_no_other_gate_bets_on():
    lab = Lab()
    other = speedup(1.9)
    lab.threads.slowdown = lambda _: (160 / 82) / (1.9 * 0.95) * 0.999999
    rounds = lab.compare(requirements=[speedup(3.0), other], max_rounds=20).rounds
    last_confirm = max(each.index for each in rounds if each.phase is Phase.CONFIRM)
    assert rounds[last_confirm + 1].phase is Phase.WARM_UP
    assert rounds[last_confirm + 2].phase is Phase.MEASURE


def a_round(*, is_clean: bool) -> Round:
    return Round(
        index=0,
        phase=Phase.CONFIRM,
        began_s=0.0,
        makespans_s={"serial": (1.0,), "threads": (1.0,)},
        controls_s=(),
        is_clean=is_clean,
        disturbance="" if is_clean else "control kernel slow",
    )


def a_block(*, is_clean: bool) -> LatencyBlock:
    return LatencyBlock(
        executor="threads",
        rate_per_s=100.0,
        latencies_s=(0.1,) * 5 + (0.001,) * 95,
        send_lag_p99_s=0.0,
        is_clean=is_clean,
        disturbance="" if is_clean else "control kernel slow",
        phase=Phase.CONFIRM,
    )


def test_a_headline_without_a_clean_round_counts_the_disturbed_ones_that_it_shows():
    gate = LadderGate(speedup(2.0), "threads", SpeedupReading("serial", "threads"), errors=Errors())
    for _ in range(12):
        gate.observe(replace(a_round(is_clean=False), phase=Phase.MEASURE))
    assert gate.counted == "12 disturbed rounds, none clean"


@pytest.mark.parametrize("clean", [0, 2])
def test_a_confirmation_whose_visits_were_disturbed_is_busy_and_no_disagreement(clean):
    gate = LadderGate(speedup(2.0), "threads", SpeedupReading("serial", "threads"), errors=Errors())
    gate.begin_confirmation()
    for visit in range(6):
        each = a_round(is_clean=visit < clean)
        gate.confirm(each, each)
    gate.give_up_confirming()
    finding = conclude(gate, None, Circumstances(unconfirmed=gate.unconfirmed))
    assert (finding.verdict, finding.reason) == BUSY
    assert f"{6 - clean} of 6 confirmation visits were disturbed" in finding.text


def test_a_p99_confirmation_without_clean_blocks_is_busy_and_speaks_of_blocks():
    gate = LatencyGate(p99(0.01), "threads", errors=Errors())
    gate.begin_confirmation()
    for _ in range(12):
        gate.confirm(a_block(is_clean=False), a_block(is_clean=False))
    gate.give_up_confirming()
    finding = conclude(gate, None, Circumstances(unconfirmed=gate.unconfirmed))
    assert (finding.verdict, finding.reason) == BUSY
    assert "the first blocks missed the limit, but 12 of 12 confirmation visits" in finding.text


def test_a_neighbour_that_stays_through_the_confirmation_leaves_the_test_busy():
    lab = Lab(cpu_share=1.0)
    lab.machine._neighbour = lambda _: 1.8 if lab.threads.opened > 1 else 1.0
    lab.threads.slowdown = lambda _: 1.9
    (finding,) = lab.compare(requirements=[speedup(1.8)], items=range(16)).findings
    assert (finding.verdict, finding.reason) == BUSY


def test_a_tracer_keeps_even_self_disturbed_code_undecided():
    gate = LadderGate(speedup(2.0), "threads", SpeedupReading("serial", "threads"), errors=Errors())
    finding = conclude(gate, None, Circumstances(self_disturbed=True, traced="coverage"))
    assert (finding.verdict, finding.reason) == (Verdict.INCONCLUSIVE, Reason.TRACED)
