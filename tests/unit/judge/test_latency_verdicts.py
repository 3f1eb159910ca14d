"""What a p99 gate answers, on virtual time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from unit.virtual import Lab, alter_traces, p99, used, wake_up_slowly

from pytest_pipeline.judge.gate import Errors
from pytest_pipeline.judge.latency import LatencyGate
from pytest_pipeline.measure.trial import blocks_of
from pytest_pipeline.model.finding import Reason, Verdict
from pytest_pipeline.model.plan import Arrivals, Stage
from pytest_pipeline.model.rounds import LatencyBlock
from pytest_pipeline.testing.executor import VirtualRunning


def slow_for(lab: Lab, share: float, *, fast: float = 0.002, slow: float = 0.02) -> Stage:
    calls = {"n": 0}

    def infer(item):
        calls["n"] += 1
        lab.machine.work(slow if (calls["n"] * share) % 1 < share else fast)
        return item

    return Stage(infer, name="infer")


def test_a_service_without_late_items_is_met_with_the_samples_that_99_percent_needs():
    lab = Lab()
    result = lab.compare(requirements=[p99(0.05, rate_per_s=100)])
    (finding,) = result.findings
    assert finding.verdict is Verdict.MET
    assert sum(len(block.latencies_s) for block in result.blocks) >= 319
    assert result["threads"].latency.loop == "open"


def test_two_rates_on_one_arm_are_told_apart():
    lab = Lab()
    requirements = [p99(0.05, rate_per_s=50), p99(0.05, rate_per_s=200)]
    result = lab.compare(requirements=requirements)
    slow = [block for block in result.blocks if block.rate_per_s == 50]
    assert 0 < len(slow) < len(result.blocks)
    assert result["threads"].latency.count == sum(len(block.latencies_s) for block in slow)
    gate = LatencyGate(requirements[0], "threads", errors=Errors())
    assert blocks_of(gate, result.blocks) == slow
    assert ["at 50/s" in each.headline for each in result.findings] == [True, False]


@pytest.mark.parametrize("arrivals", [None, Arrivals(100)])
def test_a_gate_without_a_rate_keeps_the_blocks_of_its_loop(arrivals):
    result = Lab().compare(requirements=[p99(1.0)], arrivals=arrivals)
    assert result["threads"].latency.count == sum(len(each.latencies_s) for each in result.blocks)


def test_the_needed_samples_are_announced_before_the_first_block():
    lab = Lab()
    lab.compare(requirements=[p99(0.05, rate_per_s=100)])
    announced = [text for text in lab.progress if "needs" in text]
    assert "items at 100/s, about" in announced[0]


def test_five_percent_slow_items_fail_and_the_message_names_the_stage():
    lab = Lab()
    stages = [lab.stage("fetch", 0.001), slow_for(lab, 0.05), lab.stage("store", 0.001)]
    (finding,) = lab.compare(stages, requirements=[p99(0.01, rate_per_s=100)]).findings
    assert finding.verdict is Verdict.MISSED
    assert "items late" in finding.headline
    assert "service of stage 'infer'" in finding.text


def test_half_a_percent_slow_items_do_not_fail():
    lab = Lab()
    stages = [lab.stage("fetch", 0.001), slow_for(lab, 0.005), lab.stage("store", 0.001)]
    (finding,) = lab.compare(stages, requirements=[p99(0.01, rate_per_s=100)]).findings
    assert finding.verdict is not Verdict.MISSED


def test_a_rate_above_capacity_is_missed_because_latency_counts_from_the_intended_start():
    lab = Lab()
    (finding,) = lab.compare(requirements=[p99(0.02, rate_per_s=1000)]).findings
    assert finding.verdict is Verdict.MISSED
    assert "wait" in finding.text


def test_a_gate_that_can_never_get_enough_samples_is_invalid_with_the_number_needed():
    lab = Lab()
    (finding,) = lab.compare(requirements=[p99(0.05, rate_per_s=1)], budget_s=10).findings
    assert (finding.verdict, finding.reason) == (Verdict.INVALID, Reason.SAMPLES)
    assert finding.evidence == (
        "p99 needs 381 items to be met: 840 s, and the budget of 10 s extends to 40 s at most",
    )
    assert finding.next_step.startswith("raise the rate, pass fewer items, or write ")


def test_a_batch_that_fills_too_slowly_at_its_rate_is_said_before_any_budget_is_spent():
    lab = Lab()
    stages = [lab.stage("fetch", 0.001), Stage(list, name="embed", batch=32)]
    (finding,) = lab.compare(stages, range(64), requirements=[p99(0.2, rate_per_s=50)]).findings
    assert (finding.verdict, finding.reason) == (Verdict.INVALID, Reason.UNREACHABLE)
    assert "a batch of 32 is full 620 ms after its first item at 50/s" in finding.text
    assert "66 % of the items wait too long" in finding.text
    quick = lab.compare(stages, range(64), requirements=[p99(0.2, rate_per_s=500)], budget_s=60)
    assert quick.findings[0].verdict is Verdict.MET


def test_without_a_rate_the_loop_is_closed_and_labelled_service_latency():
    lab = Lab()
    result = lab.compare(requirements=[p99(1.0)])
    assert result.findings[0].headline.startswith("p99 service latency")
    assert result["threads"].latency.loop == "closed"


def test_a_service_in_time_beside_a_neighbour_is_met_because_neighbours_only_add_latency():
    lab = Lab(neighbour=lambda now: 1.0 if now < 2.0 else 3.0)
    (finding,) = lab.compare(requirements=[p99(0.05, rate_per_s=100)]).findings
    assert finding.verdict is Verdict.MET
    assert "disturbed block" in finding.headline


def test_blocks_are_known_while_the_gate_is_still_open():
    lab = Lab()
    known: list[int] = []

    def look(item):
        if item == 0 and lab.threads.executions > 1 and lab.so_far is not None:
            known.append(len(lab.so_far().blocks))
        return item

    lab.compare([lab.stage("fetch", 0.001), look], requirements=[p99(0.05, rate_per_s=100)])
    assert max(known) > 1


def test_late_items_beside_a_neighbour_never_fail_a_service():
    lab = Lab(neighbour=lambda now: 1.0 if now < 2.0 else 3.0)
    stages = [lab.stage("fetch", 0.001), slow_for(lab, 0.2), lab.stage("store", 0.001)]
    (finding,) = lab.compare(stages, requirements=[p99(0.01, rate_per_s=100)]).findings
    assert (finding.verdict, finding.reason) == (Verdict.INCONCLUSIVE, Reason.BUSY)


def test_a_closed_loop_keeps_every_worker_of_the_arm_busy_and_not_those_of_the_plan(monkeypatch):
    lab = Lab()
    lab.threads.workers = lambda plan: 8
    seen = set()
    run = VirtualRunning.run

    def watched(self, source):
        seen.add(source.in_flight)
        return run(self, source)

    monkeypatch.setattr(VirtualRunning, "run", watched)
    lab.compare(requirements=[p99(1.0)])
    assert seen == {None, 8}


def often_late(lab: Lab) -> list[Stage]:
    return [lab.stage("fetch", 0.001), slow_for(lab, 0.1), lab.stage("store", 0.001)]


def test_a_plain_miss_is_found_beside_a_neighbour_who_leaves_half_of_the_blocks_alone():
    lab = Lab(neighbour=lambda now: 3.0 if now % 8 > 4.5 else 1.0)
    requirements = [p99(0.01, rate_per_s=100)]
    (finding,) = lab.compare(often_late(lab), requirements=requirements, budget_s=5).findings
    assert finding.verdict is Verdict.MISSED


def test_a_plain_miss_that_the_budget_cannot_decide_beside_a_neighbour_is_busy_and_not_near_its_limit():
    lab = Lab(neighbour=lambda now: 3.0 if now % 3 > 1.8 else 1.0)
    requirements = [p99(0.01, rate_per_s=100)]
    (finding,) = lab.compare(often_late(lab), requirements=requirements, budget_s=3).findings
    assert (finding.verdict, finding.reason) == (Verdict.INCONCLUSIVE, Reason.BUSY)
    assert "clean ones followed another" in finding.text


def test_a_service_at_its_limit_stays_near_its_limit_beside_a_neighbour():
    lab = Lab(neighbour=lambda now: 3.0 if now % 9 > 6.5 else 1.0)
    stages = [lab.stage("fetch", 0.001), slow_for(lab, 0.01), lab.stage("store", 0.001)]
    requirements = [p99(0.01, rate_per_s=100)]
    (finding,) = lab.compare(stages, requirements=requirements, budget_s=5).findings
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert finding.reason is Reason.NEAR_LIMIT


def test_cores_that_wake_up_slowly_after_a_pause_disturb_no_block():
    lab = Lab()
    wake_up_slowly(lab)
    (finding,) = lab.compare(requirements=[p99(0.05, rate_per_s=100)]).findings
    assert (finding.verdict, finding.dirty_rounds) == (Verdict.MET, 0)


def late_generator(lab: Lab) -> None:
    """Let the thread that offers the items wake up 180 ms late beside every slow one, as one without the GIL does."""

    def late(trace):
        lags = np.where(np.arange(len(trace.send_lag_s)) % 20, 0.0, 0.18)
        return replace(trace, send_lag_s=lags)

    alter_traces(lab.threads, late)


@pytest.mark.parametrize(("cores", "verdict"), [(0.0, "missed"), (1.0, "inconclusive")])
def test_a_generator_that_the_stages_themselves_hold_up_excuses_nothing(cores, verdict):
    lab = Lab(usage=used(lambda _: cores))
    late_generator(lab)
    stages = [lab.stage("fetch", 0.001), slow_for(lab, 0.05, slow=0.2)]
    (finding,) = lab.compare(stages, requirements=[p99(0.08, rate_per_s=50)], budget_s=60).findings
    assert finding.verdict == verdict


def test_a_rate_above_the_service_rate_is_missed_however_few_the_items():
    lab = Lab()
    wanted = p99(0.08, rate_per_s=100)
    (finding,) = lab.compare([lab.stage("parse", 0.03)], range(3), requirements=[wanted]).findings
    assert finding.verdict is Verdict.MISSED


def test_outputs_are_compared_in_every_lap_of_an_open_loop():
    lab = Lab()
    calls = {"n": 0}

    def parse(item):
        lab.machine.work(0.001)
        calls["n"] += lab.machine.running == "threads"
        return -1 if calls["n"] == 60 else item

    (finding,) = lab.compare(
        [Stage(parse, name="parse")], range(10), requirements=[p99(0.08, rate_per_s=100)]
    ).findings
    assert finding.reason is Reason.OUTPUTS_DIFFER
    assert "expected" in finding.text


def test_what_is_set_up_for_an_execution_holds_for_the_items_once():
    lab, kept = Lab(), {"is_cold": True}

    def clear():
        kept["is_cold"] = True

    def load(item):
        lab.machine.work(0.030 if kept["is_cold"] else 0.0005)
        kept["is_cold"] = False
        return item

    (finding,) = lab.compare(
        [Stage(load, name="load")],
        range(1),
        requirements=[p99(0.02, rate_per_s=20)],
        setup=clear,
        budget_s=60,
    ).findings
    assert finding.verdict is Verdict.MISSED


def test_items_that_share_a_batch_are_one_observation_and_not_many():
    gate = LatencyGate(p99(0.1), "threads", errors=Errors(), together=32)
    in_batches = tuple(0.01 * (1 + k // 32) for k in range(128))
    for _ in range(3):
        gate.observe(LatencyBlock("threads", None, in_batches, 0.0, is_clean=True, together=32))
    assert gate.status.name == "OPEN"
    assert gate.samples_needed > 9000


def test_an_item_list_so_long_that_no_miss_fits_the_budget_is_invalid_and_never_near_its_limit():
    lab = Lab()
    stages = [lab.stage("fetch", 0.001), slow_for(lab, 0.05)]
    (finding,) = lab.compare(
        stages, range(1000), requirements=[p99(0.01, rate_per_s=50)], budget_s=30
    ).findings
    assert (finding.verdict, finding.reason) == (Verdict.INVALID, Reason.SAMPLES)
    assert "a plain miss of p99 needs 7 blocks of 1000 items at 50/s" in finding.text


def test_code_that_keeps_the_machine_busy_itself_cannot_hide_a_tail_behind_it():
    lab = Lab(cpu_share=1.0)
    until_s = {"now": 0.0}

    def leaves_it_busy(trace):
        until_s["now"] = lab.machine.clock.now_ns() / 1e9 + 0.6
        return trace

    alter_traces(lab.threads, leaves_it_busy)
    lab.machine._neighbour = lambda now: 1.8 if now < until_s["now"] else 1.0
    (finding,) = lab.compare(requirements=[p99(0.003, rate_per_s=100)], budget_s=8).findings
    assert (finding.verdict, finding.reason) == (Verdict.MISSED, Reason.SELF_DISTURBED)


def test_the_more_a_service_computes_at_once_the_less_a_neighbour_is_overlooked():
    lab = Lab(cpu_share=0.15, neighbour=lambda now: 1.0 if now < 1.0 else 1.6)
    lab.threads.slowdown = lambda _: 1.0 if lab.machine.clock.now_ns() < 1e9 else 5.0
    stages = [lab.stage("parse", 0.004, workers=6)]
    (finding,) = lab.compare(stages, requirements=[p99(0.01, rate_per_s=1000)]).findings
    assert finding.verdict is Verdict.INCONCLUSIVE


def test_blocks_that_are_long_because_of_a_crowd_make_no_budget_too_small():
    lab = Lab(cpu_share=1.0, crowd=lambda _: 2.0)
    lab.threads.slowdown = lambda _: 2.0
    stages = [lab.stage("infer", 0.02)]
    (finding,) = lab.compare(stages, range(100), requirements=[p99(1.0)], budget_s=5).findings
    assert (finding.verdict, finding.reason) == (Verdict.INCONCLUSIVE, Reason.BUSY)


def test_a_batch_that_others_made_late_was_late_once_and_not_once_per_item():
    lab = Lab(usage=used(lambda _: 0.5))
    alter_traces(lab.threads, lambda trace: replace(trace, send_lag_s=trace.send_lag_s + 0.18))
    stages = [replace(lab.stage("infer", 0.001), batch=20)]
    comparison = lab.compare(stages, requirements=[p99(1.0, rate_per_s=50)], budget_s=60)
    assert comparison.blocks
    assert all(each.disturbance.startswith("generator late") for each in comparison.blocks)


def test_items_in_chunks_get_the_blocks_that_so_many_in_one_need():
    lab = Lab()
    alter_traces(lab.threads, lambda trace: replace(trace, handed_over=64))
    (finding,) = lab.compare(requirements=[p99(0.05, rate_per_s=400)], budget_s=80).findings
    assert finding.verdict is Verdict.MET
    assert finding.clean_rounds > 100
