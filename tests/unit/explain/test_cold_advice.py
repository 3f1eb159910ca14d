"""What a missed gate that counts start-up says: the start-up itself, and no speedup that only a warm run reaches."""

from __future__ import annotations

from dataclasses import replace

import pytest
from unit.virtual import Lab, speedup

from pytest_pipeline.explain.ceiling import Host
from pytest_pipeline.explain.cold import StartUp, cold_advice
from pytest_pipeline.model.finding import Verdict

HALF_A_SECOND = "start-up, counted in every speedup here, takes 500 ms, 86 % of the cold makespan"


def missed_cold(lab: Lab, limit: float, startup_s: float, **options):
    lab.threads.startup_s = startup_s
    result = lab.compare(requirements=[speedup(limit, cold=True)], **options)
    (finding,) = result.findings
    assert finding.verdict is Verdict.MISSED
    return finding


def test_a_start_up_that_outweighs_the_run_is_the_cause_and_no_warm_number_is_promised():
    finding = missed_cold(Lab(), 1.5, 0.5)
    assert finding.headline.startswith("cold speedup 0.27x < 1.50x")
    assert finding.cause.startswith(f"{HALF_A_SECOND}; bottleneck: stage 'parse'")
    assert finding.cause.endswith("ceiling of this plan 0.27x")
    assert "1.95x" not in finding.text
    assert "3.72x" not in finding.text


def test_what_helps_against_a_start_up_is_named_with_the_time_that_the_limit_leaves():
    assert missed_cold(Lab(), 1.5, 0.5).next_step == (
        "fewer workers, workers that stay open (cold=False), or more items per run: "
        "1.50x leaves 107 ms for start-up and run together"
    )


def test_a_change_that_reaches_the_limit_with_its_start_up_is_proposed_at_the_cold_number():
    # 160 ms against 43 ms of run and 4/3 of 15 ms of start-up
    finding = missed_cold(Lab(), 2.4, 0.015)
    assert finding.next_step == "Stage(parse, workers=2) is predicted to reach 2.54x"


def test_a_plan_too_slow_even_warm_is_told_to_change_with_the_start_up_counted():
    finding = missed_cold(Lab(), 3.0, 0.020)
    assert finding.next_step == (
        "Stage(parse, workers=2) is predicted to reach 2.30x, short of 3.00x"
    )


def test_a_gate_that_a_warm_run_meets_is_held_by_its_start_up_alone():
    finding = missed_cold(Lab(), 1.9, 0.050)
    assert "38 % of the cold makespan" in finding.cause
    assert "cold=False" in finding.next_step


def test_processes_whose_start_up_nobody_measured_are_not_promised_to_a_cold_gate():
    lab = Lab(cpu_share=1.0, gil_shares={"fetch": 1.0, "parse": 1.0, "store": 1.0})
    lab.threads.slowdown = lambda _: 2.0
    assert "processes" in lab.compare(requirements=[speedup(1.9)]).findings[0].next_step
    assert "processes" not in missed_cold(lab, 1.9, 0.001).next_step


def test_the_ceiling_said_before_the_rounds_counts_start_up_for_a_cold_gate_alone():
    lab = Lab()
    lab.threads.startup_s = 0.5
    result = lab.compare(requirements=[speedup(1.5), speedup(1.4, cold=True)])
    warm, cold = result.notes["ceilings"]
    assert warm.startswith("threads: asks 1.50x, this plan can reach 1.95x (stage 'parse', ")
    assert cold == (
        "threads: asks 1.40x with start-up, this plan reaches at most 0.27x "
        "(start-up takes 500 ms; without it 1.95x)"
    )


def test_what_holds_the_plan_is_named_where_start_up_takes_next_to_nothing():
    lab = Lab()
    lab.threads.startup_s = 0.0001
    (sentence,) = lab.compare(requirements=[speedup(3.0, cold=True)]).notes["ceilings"]
    assert sentence.endswith("(stage 'parse', 1 worker, 2.0 of 4.0 ms per item)")


def test_a_cold_speedup_is_that_of_makespan_and_start_up_together():
    start_up = StartUp(seconds=0.5, baseline_s=1.0)
    assert start_up.counted(2.0) == pytest.approx(1.0)
    assert start_up.counted(2.0, growth=3.0) == pytest.approx(0.5)
    assert start_up.most == pytest.approx(start_up.counted(1e9))
    assert StartUp(0.0, 1.0).counted(2.0) == pytest.approx(2.0)


@pytest.mark.parametrize(("call", "is_told"), [("Threads()", True), ("", False)])
def test_only_our_own_threads_are_told_to_hand_over_chunks_where_start_up_counts(call, is_told):
    lab = Lab()
    result = lab.compare([lab.stage("fetch", 5e-6), lab.stage("parse", 5e-6)])
    arm, baseline = result["threads"], result["serial"]
    rows = tuple(
        replace(row, handover_s=1e-5 * arm.item_ledger.num_emitted) for row in arm.ledger.rows
    )
    slow = replace(arm, ledger=replace(arm.ledger, rows=rows), cold_speedup=arm.speedup)
    start_up = StartUp(0.0, baseline.makespan_s)
    step = cold_advice(slow, baseline, 9.0, Host(2.0, {}), start_up, call=call).next_step
    assert step.startswith("Threads(chunk=") is is_told
