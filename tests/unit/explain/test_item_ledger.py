"""Where the latency of an item went: the parts add up, and Little's law holds."""

import numpy as np
import pytest

from pytest_pipeline.explain.item_ledger import make_item_ledger
from pytest_pipeline.model.ledger import Ledger
from pytest_pipeline.model.trace import Sample, Trace, make_visits

MS = 1_000_000


def trace_of(rows, *, items, emitted, ended, **options):
    """A trace of two stages; `rows` of (item, stage, enqueued, started, finished) in milliseconds."""
    began = 10**9
    moved = [(i, s, 0, *(began + t * MS for t in times)) for i, s, *times in rows]
    return Trace(
        executor="threads",
        stage_names=("parse", "store"),
        outputs=[],
        began_ns=began,
        ended_ns=began + ended * MS,
        first_result_ns=began,
        startup_s=0.0,
        visits=make_visits(moved),
        admitted_ns=np.full(items, began, dtype=np.int64),
        emitted_ns=np.array([began + t * MS if t else 0 for t in emitted], dtype=np.int64),
        send_lag_s=np.zeros(0),
        ledger=Ledger((), ended / 1000),
        **options,
    )


# Item 0 goes straight through; item 1 waits 4 ms, and then 3 ms behind parse for room.
ROWS = [
    (0, 0, 0, 0, 4),
    (1, 0, 0, 4, 6),
    (0, 1, 4, 4, 9),
    (1, 1, 9, 9, 14),
]


def test_the_parts_of_the_latency_are_told_apart():
    ledger = make_item_ledger(trace_of(ROWS, items=2, emitted=[9, 14], ended=14))
    parse, store = ledger.rows
    assert (parse.queueing_s, parse.service_s, parse.blocked_s) == pytest.approx(
        (0.002, 0.003, 0.0015)
    )
    assert (store.queueing_s, store.service_s, store.blocked_s) == pytest.approx((0, 0.005, 0))
    assert ledger.latency_s == pytest.approx(0.0115)
    assert ledger.unaccounted_s == pytest.approx(0, abs=1e-12)
    assert ledger.num_items == ledger.num_emitted == 2


def test_the_wait_in_a_queue_equals_its_mean_length_times_the_makespan():
    ledger = make_item_ledger(trace_of(ROWS, items=2, emitted=[9, 14], ended=14))
    assert ledger.rows[0].mean_queue_length == pytest.approx(4 / 14)
    assert ledger.little_gap == pytest.approx(0, abs=1e-9)


def test_a_visit_that_began_before_its_item_came_breaks_little_and_is_unaccounted():
    odd = [(0, 0, 5, 5, 9), (0, 1, 9, 7, 12)]
    ledger = make_item_ledger(trace_of(odd, items=1, emitted=[12], ended=12))
    assert ledger.unaccounted_s == pytest.approx(-0.002)
    assert ledger.little_gap > 0.1


def test_an_item_that_was_dropped_has_no_latency_to_explain():
    rows = [*ROWS, (2, 0, 6, 6, 7)]
    trace = trace_of(rows, items=3, emitted=[9, 14, 0], ended=14, failed_items=(2,))
    ledger = make_item_ledger(trace)
    assert ledger.num_items == ledger.num_emitted == 2
    assert ledger.latency_s == pytest.approx(0.0115)


def test_an_execution_without_outputs_has_no_item_ledger():
    assert make_item_ledger(trace_of([], items=0, emitted=[], ended=1)) is None


def test_items_of_a_chunk_share_its_parts():
    trace = trace_of(
        [(0, 0, 0, 1, 5), (0, 1, 5, 5, 9)], items=3, emitted=[9, 9, 9], ended=9, chunk=3
    )
    ledger = make_item_ledger(trace)
    assert ledger.latency_s == pytest.approx(0.009)
    assert [row.service_s for row in ledger.rows] == pytest.approx([0.004, 0.004])
    assert ledger.rows[0].mean_queue_length == pytest.approx(3 * 1 / 9)


def test_a_sample_stands_for_all_the_items():
    sample = Sample(np.array([3, 8]), num_items=20, num_visits=40, seed=1)
    rows = [(3 if item == 0 else 8, *rest) for item, *rest in ROWS]
    ledger = make_item_ledger(trace_of(rows, items=2, emitted=[9, 14], ended=14, sample=sample))
    assert (ledger.num_items, ledger.num_emitted) == (2, 20)
    assert ledger.latency_s == pytest.approx(0.0115)
    assert ledger.rows[0].mean_queue_length == pytest.approx(10 * 4 / 14)
    assert ledger.little_gap == pytest.approx(0, abs=1e-9)
