"""Causes and next steps of gates on efficiency, overlap, first result and p99 latency."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from unit.virtual import Lab

from pytest_pipeline.executors.batches import open_plan
from pytest_pipeline.explain.ceiling import Line
from pytest_pipeline.explain.gate_causes import efficiency_advice
from pytest_pipeline.explain.tail import late_advice
from pytest_pipeline.model.ledger import Ledger, LedgerRow
from pytest_pipeline.model.plan import Source, Stage, make_plan
from pytest_pipeline.model.requirement import Quantity, Requirement
from pytest_pipeline.testing import VirtualExecutor


def line(services_ms: dict[str, float]) -> Line:
    """Return 40 even items on one worker per stage, waiting all the time."""
    count = len(services_ms)
    service_s = np.full((40, count), [1e-3 * each for each in services_ms.values()])
    return Line(
        names=tuple(services_ms),
        service_s=service_s,
        workers=(1,) * count,
        queue_sizes=(16,) * count,
        cpu_shares=(0.0,) * count,
        gil_shares=(0.0,) * count,
        cores=2.0,
        serial_s=float(service_s.sum()),
    )


def test_items_that_come_too_slowly_are_no_stage_to_give_a_worker():
    slow_items = line({"source": 2.0, "fetch": 1.0, "parse": 1.0})
    assert efficiency_advice("", slow_items).next_step == ""


def test_where_the_items_come_from_is_no_worker_in_a_predicted_efficiency():
    step = efficiency_advice("", line({"fetch": 1.0, "parse": 2.0, "store": 1.0})).next_step
    assert step == "Stage(parse, workers=2) is predicted to reach 93 %"
    with_source = line({"source": 0.0, "fetch": 1.0, "parse": 2.0, "store": 1.0})
    assert efficiency_advice("", with_source).next_step == step


def test_a_worker_for_a_stage_whose_label_is_no_function_is_asked_for_in_words():
    plan = make_plan([Stage(str, name="fetch page"), Stage(len, name="parse page")])
    step = efficiency_advice("", line({"fetch page": 1.0, "parse page": 2.0}), plan).next_step
    assert step.startswith("workers=2 for stage 'parse page' is predicted")


class Pool(VirtualExecutor):
    """A pool of two workers that run all the stages, of which one is never used."""

    def workers(self, plan):
        return 2

    def open(self, plan):
        running = super().open(plan)
        run = running.run

        def pooled(source):
            trace = run(source)
            stages = [replace(row, workers=0) for row in trace.ledger.rows]
            rows = (*stages, LedgerRow(f"({self.name})", 2))
            return replace(trace, ledger=Ledger(rows, trace.makespan_s))

        running.run = pooled
        return running


@pytest.mark.parametrize("workers", [1, 4])
def test_a_pool_that_overlaps_too_little_is_named_with_its_own_size(workers):
    lab = Lab()
    pool = Pool("processes", lab.machine, overlaps=False)
    (finding,) = lab.compare(
        lab.stages(workers=workers),
        candidates=[pool],
        requirements=[Requirement(Quantity.OVERLAP, 2.0)],
    ).findings
    assert finding.headline.startswith("overlap 1.00 items < 2.00 items (processes; ")
    assert finding.cause == (
        "the pool of 'processes' has 2 workers, busy 50 % of the makespan, "
        "at most 1 visits were in service at once"
    )
    assert finding.next_step.startswith("look for what keeps the workers of the pool from starting")
    assert "Stage(parse" not in finding.text


def in_batches(lab: Lab, *, slow_call: int | None = None) -> list[Stage]:
    """An item is fetched in 1 ms, four are embedded in 12 ms, at one call in 60 ms."""
    calls = iter(range(10**6))

    def embed(values):
        lab.machine.work(0.060 if next(calls) == slow_call else 0.012)
        return list(values)

    return [lab.stage("fetch", 0.001), Stage(embed, name="embed", batch=4)]


def test_a_first_result_waits_for_its_whole_batch_in_service_and_not_between_stages():
    lab = Lab()
    wanted = Requirement(Quantity.FIRST_RESULT, 0.005)
    (finding,) = lab.compare(in_batches(lab), requirements=[wanted]).findings
    assert finding.cause == (
        "item 0 came out first: 12.0 ms in the service of stage 'embed', "
        "4.00 ms in other stages, 0 ns before and between them"
    )


def test_the_items_of_a_slow_batch_are_late_in_its_service_and_not_in_queues():
    lab = Lab()
    ten_ms_apart = [item * 10_000_000 for item in range(40)]
    source = Source(lambda: iter(range(40)), offsets_ns=ten_ms_apart)
    trace = open_plan(lab.threads, make_plan(in_batches(lab, slow_call=2))).run(source)
    assert late_advice(trace, 0.067, make_plan(in_batches(lab))).cause == (
        "late items spend 48.0 ms more than the median one in the service of stage 'embed'"
    )


def test_late_items_of_quick_stages_are_told_in_microseconds():
    lab = Lab()
    calls = iter(range(10**6))

    def score(item):
        lab.machine.work(400e-6 if next(calls) == 2 else 50e-6)
        return item

    plan = make_plan([lab.stage("fetch", 1e-5), Stage(score, name="score")])
    source = Source(lambda: iter(range(40)), offsets_ns=[item * 1_000_000 for item in range(40)])
    trace = open_plan(lab.threads, plan).run(source)
    assert late_advice(trace, 100e-6, plan).cause == (
        "late items spend 350 us more than the median one in the service of stage 'score'"
    )


def test_items_that_wait_for_their_batch_to_fill_are_told_so_and_not_called_queued():
    lab = Lab()
    source = Source(lambda: iter(range(40)), offsets_ns=[item * 10_000_000 for item in range(40)])
    plan = make_plan(in_batches(lab))
    advice = late_advice(open_plan(lab.threads, plan).run(source), 0.040, plan)
    assert advice.cause == "late items wait 30.0 ms until their batch of 4 is full"
    assert advice.next_step.startswith("a smaller batch")


def test_where_every_item_takes_too_long_by_itself_no_queue_and_no_worker_is_named():
    lab = Lab()
    wanted = Requirement(Quantity.P99_LATENCY, 0.080, rate_per_s=5)
    stages = [lab.stage("fetch", 0.001), lab.stage("infer", 0.100)]
    (finding,) = lab.compare(stages, requirements=[wanted], budget_s=60).findings
    assert finding.cause == (
        "the median item spends 101 ms in service, more than the limit: 100 ms of it in stage 'infer'"
    )
    assert finding.next_step.startswith("make stage 'infer' faster")


def test_items_in_queues_ask_for_a_worker_of_the_busiest_stage():
    lab = Lab()
    wanted = Requirement(Quantity.P99_LATENCY, 0.020, rate_per_s=1000)
    (finding,) = lab.compare(requirements=[wanted]).findings
    assert finding.cause.endswith("in queues; the busiest stage is 'parse'")
    assert finding.next_step.startswith("give it another worker: Stage(parse, workers=2)")
