"""Of many items some are simulated: what is said of them holds for all."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from unit.virtual import Lab

from pytest_pipeline.explain.ceiling import LEAST_ITEMS, MOST_VISITS, Host, Line, staged_line
from pytest_pipeline.explain.costs import handover_s
from pytest_pipeline.explain.profiled import Profiled
from pytest_pipeline.explain.search import Space, predictions
from pytest_pipeline.model.ledger import Ledger, LedgerRow
from pytest_pipeline.model.plan import Plan, Source, make_plan
from pytest_pipeline.model.trace import Sample, Trace
from pytest_pipeline.stats.flow import closed_form_speedup

HOST = Host(cores=64.0, gil_shares={})


def even(stages: int, items: int, *, workers: int = 1) -> tuple[Plan, Trace]:
    """Return a plan of equal stages of 1 ms, and the serial execution of so many items."""
    lab = Lab()
    plan = make_plan([lab.stage(f"s{k}", 0.001, workers=workers) for k in range(stages)])
    return plan, lab.serial.open(plan).run(Source(lambda: iter(range(items))))


def line_of(stages: int, items: int, *, workers: int = 1) -> Line:
    line = staged_line(*even(stages, items, workers=workers), HOST)
    assert len(line.service_s) == max(LEAST_ITEMS, MOST_VISITS // stages) < items
    return line


def test_many_stages_and_items_have_the_ceiling_of_the_closed_form():
    line = line_of(25, 5000)
    assert line.speedup() == pytest.approx(closed_form_speedup([1] * 25, 5000), rel=1e-6)
    assert line.makespan_s() == pytest.approx(0.001 * (25 + 4999))


def test_many_stages_of_several_workers_have_the_ceiling_of_their_rounds():
    assert line_of(8, 3000, workers=3).speedup() == pytest.approx(3000 * 8 / (8 + 999), rel=0.001)


def test_more_workers_than_a_sample_can_keep_busy_for_long():
    rounds = math.ceil(3000 / 64)
    assert line_of(21, 3000, workers=64).speedup() == pytest.approx(
        3000 * 21 / (21 + rounds - 1), rel=0.005
    )


def test_chunks_are_sampled_as_chunks():
    line = staged_line(*even(20, 3000), HOST, together=10)
    assert len(line.service_s) < 300
    assert line.speedup() == pytest.approx(closed_form_speedup([1] * 20, 300), rel=1e-6)


def test_what_tune_predicts_is_the_makespan_of_all_the_items():
    plan, trace = even(25, 1000)
    arm = Profiled(plan=plan, baseline=trace, trace=with_rows(trace), width=25, host=HOST)
    declared = predictions(arm, "threads", Space(25, ()), plan, trace)[0]
    assert declared.makespan_s == pytest.approx(0.001 * (25 + 999))


def with_rows(trace: Trace, *, handover_s: float = 0.0) -> Trace:
    """Return the trace as if every stage had had a worker of its own."""
    rows = tuple(LedgerRow(name, 1, handover_s=handover_s) for name in trace.stage_names)
    return replace(trace, ledger=Ledger(rows, trace.makespan_s))


def test_the_hand_over_of_all_the_items_is_not_shared_out_over_those_whose_stamps_were_kept():
    plan, trace = even(2, 100)
    seen = with_rows(trace, handover_s=1000 * 4e-6)
    kept = Sample(trace.visits.item[::2], num_items=1000, num_visits=2000, seed=1)
    arm = Profiled(plan=plan, baseline=trace, trace=replace(seen, sample=kept), width=2, host=HOST)
    assert handover_s(arm) == pytest.approx((4e-6, 4e-6))


def test_a_baseline_of_which_a_sample_was_kept_has_the_ceiling_of_all_its_items():
    plan, trace = even(25, 200)
    kept = Sample(trace.visits.item[::25], num_items=5000, num_visits=125_000, seed=1)
    line = staged_line(plan, replace(trace, sample=kept), HOST)
    assert line.speedup() == pytest.approx(closed_form_speedup([1] * 25, 5000), rel=1e-6)
