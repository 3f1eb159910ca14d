"""What a changed plan is predicted to reach, and what of it reaches the failure text."""

from __future__ import annotations

from dataclasses import replace

import pytest
from unit.virtual import Lab, speedup

from pytest_pipeline.explain.advice import next_step
from pytest_pipeline.explain.ceiling import MOST_VISITS, Host, staged_line
from pytest_pipeline.explain.profiled import Layout, Profiled
from pytest_pipeline.explain.whatif import KEEP, what_ifs
from pytest_pipeline.model.comparison import Arm, Bottleneck
from pytest_pipeline.model.device import DeviceRun, HostMemory
from pytest_pipeline.model.ledger import Ledger, LedgerRow
from pytest_pipeline.model.plan import SOURCE_STAGE, Stage
from pytest_pipeline.model.whatif import Shipping, WhatIf
from pytest_pipeline.testing import VirtualExecutor

HOST = Host(cores=2.0, gil_shares={})


def predictions(lab: Lab, stages=None, *, executor: str = "threads", **options):
    arm = lab.compare(stages, requirements=[speedup(9.0)], **options)[executor]
    return {each.code: each for each in arm.what_ifs}


def predicted(lab: Lab, stages=None, **options):
    return {
        code: each.predicted_speedup for code, each in predictions(lab, stages, **options).items()
    }


def test_the_plan_as_it_is_comes_out_at_the_closed_form_and_at_what_was_measured():
    lab = Lab()
    arm = lab.compare(requirements=[speedup(9.0)])["threads"]
    (current,) = [each for each in arm.what_ifs if each.is_current]
    assert current.predicted_speedup == pytest.approx(40 * 4 / (4 + 39 * 2))
    assert current.predicted_speedup == pytest.approx(arm.speedup.value)


def test_a_second_worker_for_the_slowest_stage_is_predicted_exactly_on_even_items():
    # fetch hands over one item per ms, two parsers keep up: 40 x 1 + 2 + 1 ms
    assert predicted(Lab())["Stage(parse, workers=2)"] == pytest.approx(160 / 43)


def test_what_is_predicted_for_a_second_worker_is_what_it_then_gives():
    foreseen = predicted(Lab())["Stage(parse, workers=2)"]
    lab = Lab()
    assert lab.compare(lab.stages(workers=2))["threads"].speedup.value == pytest.approx(foreseen)


def test_a_worker_where_it_is_not_needed_is_predicted_to_gain_nothing():
    found = predicted(Lab())
    assert found["Stage(fetch, workers=2)"] == pytest.approx(found[""])


def test_where_two_stages_are_equally_slow_the_pair_helps_and_one_alone_does_not():
    lab = Lab()
    stages = [lab.stage("decode", 0.002), lab.stage("encode", 0.002)]
    found = predicted(lab, stages)
    assert found["Stage(decode, workers=2)"] < 1.05 * found[""]
    pair = found["Stage(decode, workers=2), Stage(encode, workers=2)"]
    assert pair == pytest.approx(40 * 4 / (20 * 2 + 2))


def test_a_single_slow_stage_gets_both_workers_of_the_pair():
    lab = Lab()
    assert predicted(lab, [lab.stage("only", 0.003)])["Stage(only, workers=3)"] == (
        pytest.approx(40 / 14)
    )


def test_predictions_stand_best_first_with_the_least_effort_among_equals():
    arm = Lab().compare(requirements=[speedup(9.0)])["threads"]
    order = [(-each.predicted_speedup, each.effort) for each in arm.what_ifs]
    assert order == sorted(order)


def test_the_baseline_has_no_predictions():
    assert Lab().compare()["serial"].what_ifs == ()


def test_a_stage_that_holds_the_gil_gains_nothing_from_a_second_thread_but_from_processes():
    lab = Lab(cpu_share=1.0, gil_shares={"fetch": 1.0, "parse": 1.0, "store": 1.0})
    found = predictions(lab)
    assert found["Stage(parse, workers=2)"].predicted_speedup == pytest.approx(1.0, rel=0.01)
    assert found['executors=["processes"]'].predicted_speedup == pytest.approx(2.0, rel=0.05)
    assert "'parse' holds the GIL for 100 % of its service time" in (
        found["Stage(parse, workers=2)"].basis
    )


def test_a_computing_stage_without_the_gil_gains_from_a_second_thread():
    lab = Lab(cpu_share=1.0, gil_shares={"fetch": 0.0, "parse": 0.0, "store": 0.0})
    assert predicted(lab)["Stage(parse, workers=2)"] == pytest.approx(2.0, rel=0.05)


def test_where_nothing_was_observed_a_computing_stage_is_taken_to_hold_the_gil_and_it_says_so():
    found = predictions(Lab(cpu_share=1.0))
    assert "'parse' is taken to hold the GIL" in found["Stage(parse, workers=2)"].basis


def test_on_an_interpreter_without_a_gil_threads_are_bound_by_the_cores_alone():
    found = predictions(Lab(cpu_share=1.0, gil_shares=None))
    assert found["Stage(parse, workers=2)"].predicted_speedup == pytest.approx(2.0, rel=0.05)
    assert "GIL" not in found["Stage(parse, workers=2)"].basis


FREE = {"fetch": 0.0, "parse": 0.0, "store": 0.0}


@pytest.mark.parametrize("slowdown", [1.25, 2.0])
def test_what_threads_take_longer_than_cores_and_gil_explain_is_part_of_the_prediction(slowdown):
    lab = Lab(cpu_share=1.0, gil_shares=FREE)
    lab.threads.slowdown = lambda _: slowdown
    arm = lab.compare(requirements=[speedup(9.0)])["threads"]
    found = {each.code: each.predicted_speedup for each in arm.what_ifs}
    assert found[""] == pytest.approx(arm.speedup.value, rel=0.02)
    # a third worker beside each: half as many others again, and half as much waiting again
    on_two_cores = min(2.0, 160 / 43 / (1 + 1.5 * (slowdown - 1)))
    assert found["Stage(parse, workers=2)"] == pytest.approx(on_two_cores, rel=0.02)


def test_a_lock_that_was_waited_for_is_not_predicted_away():
    lab = Lab(cpu_share=1.0, gil_shares=FREE)
    lab.threads.locked = ("parse",)
    arm = lab.compare(lab.stages(workers=2), requirements=[speedup(9.0)])["threads"]
    (current,) = [each for each in arm.what_ifs if each.is_current]
    assert current.predicted_speedup == pytest.approx(arm.speedup.value, rel=0.05)


def test_the_cost_of_shipping_is_part_of_the_prediction_for_processes_and_stands_in_words():
    basis = predictions(Lab())['executors=["processes"]'].basis
    assert "bytes per item" in basis
    assert "22 us a message" in basis


def test_a_stage_that_cannot_travel_gets_no_prediction_for_processes():
    import threading

    lab = Lab()
    lock = threading.Lock()

    def guarded(item):
        with lock:
            lab.machine.work(0.002)
        return item

    assert 'executors=["processes"]' not in predicted(lab, [Stage(guarded, name="guarded")])


def test_processes_that_are_measured_are_not_predicted():
    lab = Lab()
    others = [lab.threads, VirtualExecutor("processes", lab.machine)]
    assert 'executors=["processes"]' not in predicted(lab, candidates=others)


def test_a_lock_is_part_of_the_plan_as_it_is():
    lab = Lab()
    locked = VirtualExecutor("threads", lab.machine, locked=["parse"])
    arm = lab.compare(lab.stages(workers=2), candidates=[locked])["threads"]
    (current,) = [each for each in arm.what_ifs if each.is_current]
    assert current.predicted_speedup == pytest.approx(arm.speedup.value, rel=0.05)


def test_the_next_step_is_the_smallest_change_that_reaches_the_limit():
    (finding,) = Lab().compare(requirements=[speedup(3.0)]).findings
    assert finding.next_step == "Stage(parse, workers=2) is predicted to reach 3.72x"


def test_two_more_workers_are_not_proposed_where_one_is_enough():
    lab = Lab()
    stages = [lab.stage("fetch", 0.001), lab.stage("render", 0.006)]
    (finding,) = lab.compare(stages, requirements=[speedup(2.0)]).findings
    assert finding.next_step.startswith("Stage(render, workers=2) is predicted to reach 2.30x")


def test_when_no_change_reaches_the_limit_the_best_one_is_named_as_short_of_it():
    (finding,) = Lab().compare(requirements=[speedup(9.0)]).findings
    assert finding.next_step == (
        "Stage(parse, workers=2) is predicted to reach 3.72x, short of 9.00x"
    )


def test_a_second_worker_more_that_gains_next_to_nothing_is_not_proposed():
    lab = Lab()
    stages = [lab.stage("fetch", 0.001), lab.stage("parse", 0.002), lab.stage("store", 0.00103)]
    result = lab.compare(stages, requirements=[speedup(9.0)])
    best = result["threads"].what_ifs[0]
    assert best.code == "Stage(parse, workers=2), Stage(store, workers=2)"
    assert best.predicted_speedup == pytest.approx(3.75, abs=0.005)
    assert result.findings[0].next_step == (
        "Stage(parse, workers=2) is predicted to reach 3.65x, short of 9.00x"
    )


def test_two_more_workers_are_proposed_where_they_alone_reach_the_limit():
    lab = Lab()
    stages = [lab.stage("fetch", 0.001), lab.stage("parse", 0.002), lab.stage("store", 0.00103)]
    (finding,) = lab.compare(stages, requirements=[speedup(3.7)]).findings
    assert finding.next_step == (
        "Stage(parse, workers=2), Stage(store, workers=2) is predicted to reach 3.75x"
    )


def test_when_no_change_helps_the_text_says_so():
    lab = Lab()
    stages = [lab.stage("hash", 0.002, workers=2)]  # a worker for each of the two items
    (finding,) = lab.compare(stages, range(2), requirements=[speedup(2.5)]).findings
    assert finding.next_step == (
        "no change of workers, executor, queue or number of items that was simulated is predicted to gain 5 % on 2.00x: "
        "split stage 'hash' in two or make it faster, or ask for less"
    )


@pytest.mark.parametrize(
    ("bottleneck", "instead"),
    [
        (
            Bottleneck(SOURCE_STAGE, 1, 0.9, 2.0),
            (
                "items come too slowly; let the iterator yield paths or keys, and read what they stand for "
                "in a first stage, which can have workers"
            ),
        ),
        (Bottleneck("hash", 2, 0.5, 2.0, 0.9), "run it on more cores, or ask for less"),
        (
            Bottleneck("hash", 2, 0.9, 2.0),
            "split stage 'hash' in two or make it faster, or ask for less",
        ),
        (None, "ask for less"),
    ],
    ids=["source", "pool", "stage", "unknown"],
)
def test_when_no_change_helps_the_bottleneck_tells_what_would(bottleneck, instead):
    now = WhatIf(KEEP, "", predicted_speedup=2.0, effort=0)
    arm = Arm("threads", 2, is_baseline=False, bottleneck=bottleneck, what_ifs=(now,))
    assert next_step(arm, 2.5).endswith(f"predicted to gain 5 % on 2.00x: {instead}")


def test_a_plan_that_is_predicted_to_reach_the_limit_as_it_is_gets_no_advice():
    now = WhatIf(KEEP, "", predicted_speedup=2.0, effort=0)
    assert next_step(Arm("threads", 2, is_baseline=False, what_ifs=(now,)), 2.0) == ""


def test_waiting_at_wake_up_for_a_stage_that_holds_the_gil_is_not_called_a_lock():
    lab = Lab(gil_shares={"crunch": 1.0})
    for executor in (lab.serial, lab.threads):
        executor.cpu_share = {"query": 0.01, "crunch": 1.0}

    def query(item):
        lab.machine.work(0.006 if lab.machine.running == "threads" else 0.002)
        return item

    stages = [Stage(query, name="query"), lab.stage("crunch", 0.004)]
    (finding,) = lab.compare(stages, requirements=[speedup(2.5)]).findings
    assert "'crunch' holds the GIL for 100 % of its service time" in finding.cause
    assert finding.next_step.startswith('executors=["processes"] is predicted to reach')


def test_a_baseline_execution_that_a_neighbour_slowed_down_is_not_what_predictions_start_from():
    lab = Lab()
    lab.serial.slowdown = lambda execution: 3.0 if execution > 3 else 1.0
    result = lab.compare(requirements=[speedup(9.0)])
    assert [stage.service_mean_s for stage in result["serial"].stages] == [0.001, 0.002, 0.001]


def test_many_items_are_simulated_by_a_sample_with_the_same_result():
    lab = Lab()
    result = lab.compare(items=range(1500))
    line = staged_line(result.plan, result["serial"].trace, HOST)
    assert line.service_s.size <= MOST_VISITS
    (current,) = [each for each in result["threads"].what_ifs if each.is_current]
    assert current.predicted_speedup == pytest.approx(result["threads"].speedup.value, rel=0.01)


def test_a_longer_queue_is_predicted_where_a_stage_was_blocked():
    rows = (
        LedgerRow("fetch", 1, service_s=0.5, blocked_s=0.3, starved_s=0.2),
        LedgerRow("parse", 1, service_s=0.9, starved_s=0.1),
    )
    found = {each.code: each for each in what_ifs(profiled(rows))}
    longer = found["Stage(parse, queue_size=64)"]
    assert longer.basis == "'fetch' was blocked for 30 % of its worker time"


def test_a_queue_that_blocked_nobody_is_left_alone():
    rows = (
        LedgerRow("fetch", 1, service_s=0.5, blocked_s=0.04, starved_s=0.46),
        LedgerRow("parse", 1, service_s=0.9, starved_s=0.1),
    )
    assert not any("queue_size" in each.code for each in what_ifs(profiled(rows)))


def test_larger_items_are_predicted_to_save_most_of_the_hand_over():
    rows = (
        LedgerRow("fetch", 1, service_s=0.5, handover_s=40 * 50e-6),
        LedgerRow("parse", 1, service_s=0.9, handover_s=40 * 50e-6),
    )
    found = {each.code: each for each in what_ifs(profiled(rows, seconds=0.0001, call="Threads()"))}
    grouped, current = found["Threads(chunk=10)"], found[""]
    # 50 us of hand-over on 100 us of service: a tenth of it is left
    assert current.predicted_speedup == pytest.approx(40 * 0.2 / (41 * 0.15))
    assert grouped.predicted_speedup == pytest.approx(40 * 0.2 / (5 * 10 * 0.105))
    assert "100 us" in grouped.basis


def test_processes_are_told_the_chunk_that_would_pay_for_ten_items_at_once():
    pool = LedgerRow("(processes)", 2, serialisation_s=0.001)
    rows = (LedgerRow("fetch", 0, service_s=0.5), LedgerRow("parse", 0, service_s=0.9), pool)
    arm = profiled(rows, seconds=0.0001, call="Processes()")
    assert "Processes(chunk=10)" in {each.code for each in what_ifs(arm)}


def test_processes_are_predicted_one_more_worker_or_threads_instead():
    rows = (
        LedgerRow("fetch", 0, service_s=0.04),
        LedgerRow("parse", 0, service_s=0.04),
        LedgerRow("(processes)", 2, serialisation_s=0.001),
    )
    found = {each.code: each for each in what_ifs(profiled(rows, call="Processes(workers=2)"))}
    assert found["Processes(workers=3)"].predicted_speedup > found[""].predicted_speedup
    assert 'executors=["threads"]' in found
    assert 'executors=["processes"]' not in found


def relayed(parse: LedgerRow) -> Profiled:
    """Two processes, a stage each, whose stages compute and hold the GIL."""
    arm = profiled((LedgerRow("fetch", 1, service_s=0.04, transfer_s=0.0001), parse))
    return replace(arm, host=replace(arm.host, gil_shares={"fetch": 1.0, "parse": 1.0}))


def test_processes_per_stage_are_predicted_without_a_common_gil():
    arm = relayed(LedgerRow("parse", 1, service_s=0.04))
    assert arm.layout is Layout.RELAYED
    assert not any(arm.line().gil_shares)
    found = {each.code: each for each in what_ifs(arm)}
    assert 'executors=["threads"]' in found
    assert "Stage(parse, workers=2)" in found
    assert not any(each.startswith('executors=["processes"]') for each in found)


def test_what_a_stage_pays_for_shipping_is_part_of_the_prediction_for_processes_per_stage():
    light, heavy = (
        {each.code: each for each in what_ifs(relayed(row))}[""].predicted_speedup
        for row in (
            LedgerRow("parse", 1, service_s=0.04),
            LedgerRow("parse", 1, service_s=0.04, serialisation_s=0.04),
        )
    )
    assert heavy < 0.7 * light


def pooled(name: str) -> Profiled:
    """Two stages that wait, in one pool of this name, with items that can be sent to processes."""
    rows = (LedgerRow("fetch", 0), LedgerRow("parse", 0), LedgerRow(f"({name})", 2))
    return replace(profiled(rows), shipping=Shipping(0, 0, 0, 0))


def test_a_pool_of_ours_is_predicted_one_more_worker():
    arm = replace(pooled("threads"), calls={"threads": 'Threads(layout="shared")'})
    found = {each.code for each in what_ifs(arm)}
    assert found == {"", 'Threads(layout="shared", workers=3)', 'executors=["processes"]'}


def test_a_pool_of_ours_is_predicted_by_whatever_name_it_goes():
    pool = LedgerRow("(procs)", 2, serialisation_s=0.001)
    rows = (LedgerRow("fetch", 0, service_s=0.04), LedgerRow("parse", 0, service_s=0.04), pool)
    arm = profiled(rows, call='Processes(name="procs", workers=2, chunk=4)')
    found = {each.code for each in what_ifs(arm)}
    assert 'Processes(name="procs", workers=3, chunk=4)' in found


def test_processes_are_not_proposed_beside_processes_of_another_name():
    arm = pooled("threads")
    assert 'executors=["processes"]' in {each.code for each in what_ifs(arm)}
    beside = replace(arm, calls={"procs": 'Processes(name="procs")'})
    assert 'executors=["processes"]' not in {each.code for each in what_ifs(beside)}


def test_the_pool_of_an_executor_of_ones_own_is_left_to_its_author():
    arm = pooled("mine")
    assert arm.layout is Layout.POOLED
    assert {each.code for each in what_ifs(arm)} == {"", 'executors=["processes"]'}
    shipping = replace(arm.trace.ledger.rows[-1], serialisation_s=0.001)
    remote = profiled((*arm.trace.ledger.rows[:-1], shipping), seconds=0.0001)
    assert {each.code for each in what_ifs(remote)} == {"", 'executors=["threads"]'}


def test_an_arm_on_devices_is_told_neither_threads_nor_processes():
    run = DeviceRun("cuda:0", "a GPU", HostMemory.PINNED, 3, 40, 1.0, (), None)
    arm = pooled("slots of fetch")
    assert what_ifs(replace(arm, trace=replace(arm.trace, devices=(run,)))) == ()


def profiled(rows, *, seconds: float = 0.001, call: str = "") -> Profiled:
    """An arm of two even stages, 40 items, with a ledger of one's own and a makespan of one second."""
    lab = Lab()
    stages = [lab.stage("fetch", seconds), lab.stage("parse", seconds)]
    result = lab.compare(stages)
    trace = result["threads"].trace
    return Profiled(
        plan=result.plan,
        baseline=result["serial"].trace,
        trace=replace(trace, ended_ns=trace.began_ns + 10**9, ledger=Ledger(rows, 1.0)),
        width=2,
        host=HOST,
        calls={"threads": call},
    )


@pytest.mark.parametrize(
    ("predicted", "limit", "words"),
    [(1.996, 2.0, "1.996x, short of 2.00x"), (2.121, 2.124, "2.121x, short of 2.124x")],
)
def test_a_prediction_just_short_of_the_limit_does_not_read_like_it(predicted, limit, words):
    changes = (WhatIf("keep", "", 1.5, 0), WhatIf("more", "Stage(parse, workers=2)", predicted, 1))
    step = next_step(Arm("threads", 3, is_baseline=False, what_ifs=changes), limit)
    assert step == f"Stage(parse, workers=2) is predicted to reach {words}"
