"""Several items in one message to a worker process: nothing but the cost changes."""

import os
import signal
import threading

import numpy as np
import pytest
from stages import breaks_at

from pytest_pipeline.errors import ShippingError, WorkerDiedError
from pytest_pipeline.executors.processes import Processes
from pytest_pipeline.explain.item_ledger import make_item_ledger
from pytest_pipeline.model.plan import Stage


def double(x):
    return 2 * x


def add_one(x):
    return x + 1


@pytest.fixture(params=["fused", "staged"])
def chunked(request):
    if request.param == "fused":
        return Processes(workers=2, chunk=7)
    return Processes(layout="staged", chunk=7)


@pytest.mark.parametrize("count", [0, 1, 6, 7, 8, 300])
def test_chunks_give_the_same_outputs_in_input_order(chunked, opened, source, count):
    running = opened(chunked, [double, add_one])
    assert running.run(source(list(range(count)))).outputs == [2 * x + 1 for x in range(count)]
    assert running.run(source(lambda: iter(range(count)))).outputs == [
        2 * x + 1 for x in range(count)
    ]


def test_chunks_keep_an_asked_for_bound_on_items_in_flight(chunked, opened, source):
    trace = opened(chunked, [double]).run(source(list(range(40)), in_flight=3))
    assert (trace.admitted_ns[3:] >= np.maximum.accumulate(trace.emitted_ns)[:-3]).all()


def test_every_item_of_a_chunk_has_its_visits(chunked, opened, source):
    trace = opened(chunked, [double, add_one]).run(source(list(range(50))))
    visits = trace.visits
    assert sorted(zip(visits.item.tolist(), visits.stage.tolist(), strict=True)) == [
        (item, stage) for item in range(50) for stage in range(2)
    ]
    assert (visits.enqueued_ns <= visits.started_ns).all()
    assert (visits.started_ns <= visits.finished_ns).all()
    order = np.lexsort((visits.stage, visits.item))
    finished = visits.finished_ns[order].reshape(50, 2)
    assert (finished[:, 0] <= visits.enqueued_ns[order].reshape(50, 2)[:, 1]).all()
    total = sum(row.total_s for row in trace.ledger.rows)
    assert total == pytest.approx(trace.ledger.workers * trace.makespan_s)


def test_items_of_a_chunk_have_the_latency_of_their_chunk(chunked, opened, source):
    trace = opened(chunked, [double, add_one]).run(source(list(range(50))))
    visits = trace.visits
    last = visits.finished_ns[visits.stage == 1]
    item = visits.item[visits.stage == 1]
    for first in range(0, 50, 7):
        inside = (item >= first) & (item < first + 7)
        assert set(trace.emitted_ns[first : first + 7]) == {last[inside].max()}
    assert trace.handed_over == 7
    assert make_item_ledger(trace).chunk == 7


def test_items_before_a_failure_wait_for_the_rest_of_their_chunk(opened, source):
    running = opened(Processes(workers=1, chunk=7), [breaks_at(3)])
    trace = running.run(source(list(range(7)), collects_errors=True))
    assert trace.emitted_ns[3] == 0
    ends = trace.visits.finished_ns[np.argsort(trace.visits.item)]
    assert ends[0] < ends[6]
    assert set(np.delete(trace.emitted_ns, 3)) == {ends[6]}


def test_an_error_in_a_chunk_names_its_own_item(chunked, opened, source):
    running = opened(chunked, [double, Stage(breaks_at(22), name="parse")])
    with pytest.raises(ValueError, match="bad item 22") as caught:
        running.run(source(list(range(30))))
    assert caught.value.__notes__ == ["stage 'parse', item 11"]
    assert running.run(source([1])).outputs == [2]


def test_collected_errors_of_a_chunk_drop_their_items_and_nothing_else(chunked, opened, source):
    stages = [Stage(breaks_at(0, 3, 4), name="a"), Stage(breaks_at(2, 6, 13), name="b")]
    trace = opened(chunked, stages).run(source(list(range(20)), collects_errors=True))
    assert trace.outputs == [x for x in range(20) if x not in {0, 2, 3, 4, 6, 13}]
    assert sorted((f.item, f.stage) for f in trace.failures) == [
        (0, "a"),
        (2, "b"),
        (3, "a"),
        (4, "a"),
        (6, "b"),
        (13, "b"),
    ]
    assert np.flatnonzero(trace.emitted_ns == 0).tolist() == [0, 2, 3, 4, 6, 13]
    assert len(trace.visits) == 20 + 17


def test_a_death_within_a_chunk_names_the_item(chunked, opened, source):
    def dies(x):
        if x == 11:
            os.kill(os.getpid(), signal.SIGKILL)
        return x

    running = opened(chunked, [Stage(dies, name="parse")])
    with pytest.raises(WorkerDiedError, match="stage 'parse', item 11"):
        running.run(source(list(range(30))))
    assert running.run(source([1])).outputs == [1]


def test_an_item_or_output_of_a_chunk_that_cannot_travel_is_named(chunked, opened, source):
    running = opened(chunked, [Stage(lambda x: threading.Lock() if x == 9 else x, name="lock")])
    with pytest.raises(ShippingError, match="stage 'lock', item 9 cannot be sent back"):
        running.run(source(list(range(30))))
    with pytest.raises(ShippingError, match="item 17 cannot be sent to a worker process"):
        running.run(source([*range(100, 117), threading.Lock(), 200]))
    assert running.run(source([1])).outputs == [1]


def test_large_arrays_in_chunks_arrive_intact(chunked, opened, source):
    arrays = [np.full(30_000, k) for k in range(40)]
    for k, output in enumerate(opened(chunked, [add_one]).run(source(arrays)).outputs):
        assert (output == k + 1).all()


@pytest.mark.slow
def test_a_hundred_thousand_tiny_items_pass_through_processes(opened, source):
    running = opened(Processes(workers=2, chunk=32), [add_one])
    assert running.run(source(list(range(100_000)))).outputs == list(range(1, 100_001))
    single = opened(Processes(workers=2), [add_one])
    assert single.run(source(list(range(100_000)))).outputs == list(range(1, 100_001))
