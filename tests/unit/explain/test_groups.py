"""Items that travel in chunks are explained and predicted as chunks, not one by one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from unit.virtual import Lab, speedup

from pytest_pipeline.explain.ceiling import Host
from pytest_pipeline.explain.memory import memory_advice
from pytest_pipeline.explain.profiled import Profiled
from pytest_pipeline.explain.whatif import what_ifs
from pytest_pipeline.model.ledger import Ledger, LedgerRow
from pytest_pipeline.model.plan import Stage, make_plan
from pytest_pipeline.testing import VirtualExecutor

US = 1e-6


class InChunks(VirtualExecutor):
    """Says that its items travelled so many at a time."""

    chunk = 20

    def open(self, plan):
        running = super().open(plan)
        run = running.run
        running.run = lambda source: replace(run(source), handed_over=self.chunk)
        return running


@pytest.mark.parametrize(
    ("chunk", "bound", "longer"),
    [
        # two chunks: 20 + 40 + 20 ms, and another 40 in the slowest stage
        (20, 160 / (80 + 40), 1600 / (20 + 800 + 20)),
        # the last one is shorter; at the end it waits 10 ms for the store of the one before
        (30, 160 / (30 + 60 + 30 + 10), 1600 / (30 + 800 + 20)),
        # all in one
        (100, 1.0, 1600 / (40 + 800 + 40)),
    ],
)
def test_the_ceiling_is_that_of_the_chunks_that_travel(chunk, bound, longer):
    lab = Lab()
    arm = InChunks("threads", lab.machine)
    arm.chunk = chunk
    lab.compare(requirements=[speedup(1.9)], candidates=[arm])
    said = next(text for text in lab.progress if text.startswith("threads: asks"))
    assert said == (
        f"threads: asks 1.90x, this plan reaches at most {bound:.2f}x "
        f"(stage 'parse', 1 worker, 2.0 of 4.0 ms per item; with 10 times as many items {longer:.2f}x)"
    )


def found_for(rows, *, chunk: int, items: int, seconds: float, call: str = ""):
    """Return the predictions for two even stages whose items travelled `chunk` at a time, by code."""
    lab = Lab()
    made = lab.compare([lab.stage("fetch", seconds), lab.stage("parse", seconds)], range(items))
    trace = made["threads"].trace
    ledger = Ledger(rows, trace.makespan_s)
    arm = Profiled(
        plan=made.plan,
        baseline=made["serial"].trace,
        trace=replace(trace, ledger=ledger, handed_over=chunk),
        width=2,
        host=Host(cores=2.0, gil_shares={}),
        calls={"threads": call},
    )
    return {each.code: each for each in what_ifs(arm)}


def in_tens(items: int):
    """Threads that took 50 us to hand over ten items, whose service takes 100 us each."""
    rows = tuple(LedgerRow(name, 1, handover_s=items * 5 * US) for name in ("fetch", "parse"))
    return found_for(rows, chunk=10, items=items, seconds=100 * US, call="Threads()")


def test_a_chunk_that_is_there_already_is_not_offered():
    assert not [code for code in in_tens(40) if "chunk" in code]


def test_where_items_travel_by_ten_a_hundred_at_a_time_are_predicted():
    found = in_tens(400)
    assert [code for code in found if "chunk" in code] == ["Threads(chunk=100)"]
    # 40 chunks of ten, 5 us of hand-over per item; four of a hundred with a tenth of that
    assert found[""].predicted_speedup == pytest.approx(400 * 200 / (41 * 10 * 105))
    grouped = found["Threads(chunk=100)"]
    assert grouped.predicted_speedup == pytest.approx(400 * 200 / (5 * 100 * 100.5))
    assert grouped.basis == ("handing an item on takes 10.0 us, in a group of 100 a tenth of that")


def test_processes_pay_a_message_per_chunk_and_keep_it_beside_another_worker():
    pool = LedgerRow("(processes)", 2, serialisation_s=1e-9)
    rows = (LedgerRow("fetch", 0), LedgerRow("parse", 0), pool)
    call = "Processes(chunk=32)"
    found = found_for(rows, chunk=32, items=320, seconds=10 * US, call=call)
    # Ten chunks of 640 us for two workers, behind a sender that takes 11 us for each.
    assert found[""].predicted_speedup == pytest.approx(2.0, rel=0.01)
    assert "Processes(chunk=32, workers=3)" in found
    many = found_for(rows, chunk=32, items=640, seconds=10 * US, call=call)
    assert "Processes(chunk=320)" in many


def test_the_items_inside_are_whole_chunks():
    plan = make_plan([Stage(each, chunk=100) for each in (str, len, abs)])
    advice = memory_advice(plan, 3, "threads", None)
    assert advice.cause == ("up to 5100 items are inside at once: 4800 in queues, 300 in workers")
    assert advice.next_step.startswith("a smaller chunk, a smaller Stage(str, queue_size=...)")


def test_the_items_inside_are_those_that_the_executors_own_chunk_holds():
    plan = make_plan([str, len, abs])
    advice = memory_advice(plan, 3, "threads", None, handed_over=100)
    assert advice.cause == ("up to 5100 items are inside at once: 4800 in queues, 300 in workers")
    assert advice.next_step.startswith("a smaller chunk, ")


def test_worker_processes_hold_chunks_on_their_way_whatever_the_queue_sizes():
    plan = make_plan([str, len, abs])
    advice = memory_advice(plan, 4, "processes", None, handed_over=32, is_remote=True)
    assert advice.cause == ("up to 1024 items are inside at once: 896 on their way, 128 in workers")
    assert advice.next_step == "a smaller chunk, or fewer workers under processes"


def test_the_queue_of_a_stage_whose_label_is_no_function_is_named_in_words():
    plan = make_plan([Stage(str, name="parse orders"), len])
    advice = memory_advice(plan, 2, "threads", None)
    assert advice.next_step.startswith("a smaller queue_size for stage 'parse orders' or fewer")


def test_a_chunk_is_rounded_up_to_whole_batches():
    assert make_plan([Stage(list, batch=8, chunk=20), Stage(str, chunk=20)]).together == 24
