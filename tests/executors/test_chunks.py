"""Chunks of threads: handed over together, answered for one by one."""

import threading

import numpy as np
import pytest
from stages import breaks_at

from pytest_pipeline.errors import StageTimeoutError, UsageError
from pytest_pipeline.executors.threads import Threads
from pytest_pipeline.model.plan import Stage, make_plan


def double(x):
    return 2 * x


def add_one(x):
    return x + 1


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 25, 100])
@pytest.mark.parametrize("workers", [1, 3])
def test_outputs_come_in_input_order_and_the_last_chunk_may_be_short(
    opened, source, items, workers, count
):
    stages = [Stage(fn, workers=workers, queue_size=2) for fn in (double, add_one, double)]
    running = opened(Threads(chunk=10), stages)
    for _ in range(3):
        trace = running.run(source(items(count)))
        assert trace.outputs == [2 * (2 * x + 1) for x in range(count)]
        assert trace.num_items == len(trace.latency_s) == count


def test_a_chunk_is_one_visit_with_the_number_of_its_items(opened, source, items):
    trace = opened(Threads(chunk=10), [double, add_one]).run(source(items(25)))
    stages = len(trace.stage_names)
    assert trace.chunk == 10
    assert len(trace.visits) == 3 * stages
    first = trace.visits.stage == 0
    assert sorted(trace.visits.item[first].tolist()) == [0, 10, 20]
    assert sorted(trace.visit_counts[first].tolist()) == [5, 10, 10]
    spent = (trace.visits.finished_ns - trace.visits.started_ns) / 1e9
    for index, name in enumerate(trace.stage_names):
        assert trace.stages[name].service_s == pytest.approx(
            float(spent[trace.visits.stage == index].sum())
        )


def test_the_items_of_a_chunk_share_its_latency(opened, source, items):
    trace = opened(Threads(chunk=4), [double]).run(source(items(8)))
    assert len(set(trace.latency_s[:4])) == len(set(trace.latency_s[4:])) == 1
    assert (trace.latency_s > 0).all()


@pytest.mark.parametrize("bad", [0, 7, 10, 24])
def test_the_very_item_of_a_chunk_that_raised_is_named(opened, source, items, bad):
    running = opened(Threads(chunk=10), [Stage(breaks_at(bad), name="parse")])
    with pytest.raises(ValueError, match="bad item") as caught:
        running.run(source(items(25)))
    assert caught.value.__notes__ == [f"stage 'parse', item {bad}"]
    assert running.run(source([100])).outputs == [100]


@pytest.mark.parametrize("error", [StopIteration, GeneratorExit, KeyboardInterrupt])
def test_an_exit_raised_inside_a_chunk_reaches_the_caller(opened, source, error):
    def stage(x):
        if x == 3:
            raise error
        return x

    with pytest.raises(error) as caught:
        opened(Threads(chunk=10), [stage]).run(source(list(range(25))))
    assert caught.value.__notes__ == ["stage 'stage', item 3"]


def test_collected_errors_drop_their_items_and_not_their_chunks(opened, source, items):
    stages = [Stage(breaks_at(0, 11), name="a"), Stage(breaks_at(24), name="b"), add_one]
    trace = opened(Threads(chunk=10), stages).run(source(items(25), collects_errors=True))
    assert trace.outputs == [x + 1 for x in range(25) if x not in (0, 11, 24)]
    assert sorted((f.item, f.stage) for f in trace.failures) == [(0, "a"), (11, "a"), (24, "b")]
    assert np.flatnonzero(trace.emitted_ns == 0).tolist() == [0, 11, 24]


def test_a_source_that_raises_inside_a_chunk_is_named(opened, source):
    def items():
        yield from range(13)
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more") as caught:
        opened(Threads(chunk=10), [double]).run(source(items))
    assert caught.value.__notes__ == ["stage 'source', item 13"]


def test_a_hang_inside_a_chunk_names_the_item(opened, source, fifo):
    def hang(x):
        if x == 13:
            with open(fifo):
                pass
        return x

    running = opened(Threads(chunk=10), [hang], timeout_s=0.5)
    with pytest.raises(StageTimeoutError, match="stage 'hang', item 13 has been running"):
        running.run(source(list(range(30))))
    with open(fifo, "w"):
        pass
    for member in running._crew._lost:
        member.thread.join(5)


def test_few_items_in_flight_are_shared_out_among_the_workers(opened, source):
    both = threading.Barrier(2)

    def meet(x):
        both.wait(timeout=20)
        return x

    running = opened(Threads(chunk=2), [Stage(meet, workers=2)])
    assert running.run(source([0, 1, 2, 3], in_flight=2)).outputs == [0, 1, 2, 3]


@pytest.mark.parametrize("in_flight", [1, 7, 25])
def test_a_chunk_never_holds_more_than_may_be_in_flight(opened, source, in_flight):
    trace = opened(Threads(chunk=10), [double, add_one]).run(
        source(list(range(60)), in_flight=in_flight)
    )
    assert trace.outputs == [2 * x + 1 for x in range(60)]
    emitted = np.maximum.accumulate(trace.emitted_ns)
    assert (trace.admitted_ns[in_flight:] >= emitted[:-in_flight]).all()


def test_arrivals_are_never_held_back_to_fill_a_chunk(opened, source):
    trace = opened(Threads(chunk=10), [double]).run(
        source(list(range(4)), offsets_ns=[0, 1000, 2000, 3000])
    )
    assert trace.chunk == 1
    assert len(trace.visits) == 4


def test_stages_may_ask_for_the_chunk_too(opened, source):
    trace = opened(Threads(), [Stage(double, chunk=5), Stage(add_one, chunk=5)]).run(
        source(list(range(7)))
    )
    assert trace.chunk == 5
    assert trace.outputs == [2 * x + 1 for x in range(7)]


def test_a_shared_pool_takes_chunked_stages_item_by_item(opened, source):
    trace = opened(Threads(layout="shared"), [Stage(double, chunk=5)]).run(source([1, 2, 3]))
    assert (trace.chunk, trace.outputs) == (1, [2, 4, 6])
    with pytest.raises(UsageError, match="hands nothing over"):
        Threads(layout="shared", chunk=5)


def test_stages_that_disagree_on_the_chunk_are_refused():
    with pytest.raises(UsageError, match=r"chunk differs between stages \('double' 5, 'add_one' 1"):
        make_plan([Stage(double, chunk=5), add_one])


@pytest.mark.parametrize("bad", [0, -1, 1.5, True])
def test_a_chunk_that_is_no_count_is_refused(bad):
    with pytest.raises(UsageError, match="chunk="):
        Stage(double, chunk=bad)
    with pytest.raises(UsageError, match="chunk="):
        Threads(chunk=bad)
