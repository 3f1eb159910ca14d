"""Batched stages: the same full batches under every executor, the serial one included."""

import threading
from collections import UserDict

import numpy as np
import pytest
from stages import breaks_at, straggle

from pytest_pipeline.errors import StageTimeoutError, UsageError
from pytest_pipeline.executors.processes import Processes
from pytest_pipeline.executors.threads import Threads
from pytest_pipeline.model.plan import Stage, make_plan


class BadBatchError(ValueError):
    pass


def add_one(x):
    return x + 1


def double_all(xs):
    return [2 * x for x in xs]


def with_their_batch(xs):
    """Show who shared a batch with whom."""
    return [(x, tuple(xs)) for x in xs]


class Table:
    """A frame: its length counts rows, and iterating it gives the names of its columns."""

    def __init__(self, rows, columns):
        self.rows, self._columns = rows, columns

    @property
    def columns(self):
        return self._columns

    def __len__(self):
        return self.rows

    def __iter__(self):
        return iter(self.columns)


class Ragged(list):
    """Holds one output less than it says."""

    def __iter__(self):
        return iter(self[:-1])


def batches_of(size, count):
    return [tuple(range(count))[i // size * size : i // size * size + size] for i in range(count)]


def breaks_with(*bad):
    def stage(xs):
        if set(bad) & set(xs):
            raise BadBatchError(f"bad batch from {xs[0]}")
        return xs

    return stage


def test_every_executor_makes_the_same_full_batches_and_the_last_may_be_short(
    executor, opened, source, items
):
    stages = [Stage(with_their_batch, batch=4, workers=2), Stage(lambda x: x, workers=2)]
    running = opened(executor, stages)
    for count in (0, 1, 4, 7, 30):
        trace = running.run(source(items(count)))
        assert trace.outputs == list(enumerate(batches_of(4, count)))
        assert trace.num_items == len(trace.latency_s) == len(trace.admitted_ns) == count


def test_stages_with_and_without_a_batch_and_of_different_sizes_work_together(
    executor, opened, source
):
    stages = [
        add_one,
        Stage(double_all, batch=2, name="two"),
        Stage(add_one, name="again"),
        Stage(double_all, batch=4, workers=2, name="four"),
    ]
    trace = opened(executor, stages).run(source(list(range(21))))
    assert trace.outputs == [2 * (2 * (x + 1) + 1) for x in range(21)]


def test_a_batch_of_one_is_a_list_of_one(executor, opened, source):
    trace = opened(executor, [Stage(with_their_batch, batch=1)]).run(source([5, 6]))
    assert trace.outputs == [(5, (5,)), (6, (6,))]


@pytest.mark.parametrize("chunk", [1, 4, 10])
def test_a_chunk_is_rounded_up_to_whole_batches(opened, source, chunk):
    stages = [Stage(with_their_batch, batch=4, chunk=chunk), Stage(lambda x: x, chunk=chunk)]
    for arm in (Threads(), Processes(workers=1), Threads(chunk=chunk)):
        trace = opened(arm, stages).run(source(list(range(30))))
        assert trace.outputs == list(enumerate(batches_of(4, 30)))
        assert trace.chunk == (4 if arm.name == "processes" else -(-chunk // 4) * 4)


def test_a_batch_is_one_visit_with_the_number_of_its_items(executor, opened, source):
    trace = opened(executor, [Stage(double_all, batch=4)]).run(source(list(range(10))))
    assert trace.chunk == 4
    assert sorted(trace.visits.item.tolist()) == [0, 4, 8]
    assert sorted(trace.visit_counts.tolist()) == [2, 4, 4]
    assert len(set(trace.latency_s[:4])) == 1


def test_arrays_may_be_returned_instead_of_lists(executor, opened, source):
    trace = opened(executor, [Stage(lambda xs: np.array(xs) * 2, batch=3)]).run(source([1, 2]))
    assert trace.outputs == [2, 4]


# --- errors


def test_the_batch_that_raised_is_named_with_its_items(executor, opened, source, items):
    running = opened(executor, [add_one, Stage(breaks_with(9), name="embed", batch=4)])
    with pytest.raises(BadBatchError, match="bad batch from 9") as caught:
        running.run(source(items(30)))
    assert caught.value.__notes__ == ["stage 'embed', items 8 to 11"]
    assert running.run(source([100])).outputs == [101]


def test_the_very_item_is_named_when_a_stage_without_a_batch_raised(executor, opened, source):
    stages = [Stage(breaks_at(6), name="parse"), Stage(double_all, batch=4)]
    with pytest.raises(ValueError, match="bad item 6") as caught:
        opened(executor, stages).run(source(list(range(30))))
    assert caught.value.__notes__ == ["stage 'parse', item 6"]


def test_a_source_that_raises_amid_a_batch_is_named(executor, opened, source):
    def items():
        yield from range(6)
        raise BadBatchError("no more")

    with pytest.raises(BadBatchError) as caught:
        opened(executor, [Stage(double_all, batch=4)]).run(source(items))
    assert caught.value.__notes__ == ["stage 'source', item 6"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda xs: xs[:-1], r"a batch of 4 \(item 0 is its first\) and returned 3 outputs"),
        (lambda xs: xs[:-1], "\nnext: return None for an item that it drops"),
        (lambda xs: [*xs, 1], r"returned 5 outputs.*\nnext: return a list for an item"),
        (
            lambda xs: None,
            r"returned nothing: a stage with batch= takes .*\nnext: return a list with an output for each",
        ),
        (lambda xs: "abcd", r"returned str.*\nnext: return list\(...\) of it, or leave out batch="),
        (lambda xs: dict.fromkeys(xs, 1), "returned dict.*\nnext: return a list of its values"),
        (lambda xs: UserDict.fromkeys(xs, 1), "returned UserDict.*\nnext: return a list of its"),
        (frozenset, "returned frozenset.*\nnext: return a list in the order"),
        (Ragged, "returned 3 outputs"),
        (lambda xs: np.float64(1), "returned float64"),
    ],
)
def test_outputs_that_are_not_one_per_item_are_refused_even_when_errors_are_collected(
    opened, source, wrong, message
):
    running = opened(Threads(), [Stage(wrong, name="embed", batch=4)])
    for collects in (False, True):
        with pytest.raises(UsageError, match=message):
            running.run(source(list(range(8)), collects_errors=collects))


@pytest.mark.parametrize("columns", [["a", "b"], ["a", "b", "c", "d"]], ids=["two", "as many"])
def test_a_table_is_no_list_of_outputs(executor, opened, source, columns):
    stage = Stage(lambda xs: Table(len(xs), columns), name="embed", batch=4)
    message = r'batch of 4 .* and returned Table.*\nnext: return its rows.*to_dict\("records"\)'
    with pytest.raises(UsageError, match=message):
        opened(executor, [stage]).run(source(list(range(8))))


@pytest.mark.slow
def test_frames_are_refused_and_a_series_is_a_list_of_outputs_whatever_its_labels(opened, source):
    pandas = pytest.importorskip("pandas")
    labels = ["columns", "rows", "index", "names"]
    running = opened(Threads(), [Stage(lambda xs: pandas.Series(xs, labels), batch=4)])
    assert running.run(source([1, 2, 3, 4])).outputs == [1, 2, 3, 4]
    running = opened(Threads(), [Stage(lambda xs: pandas.DataFrame({"x": xs}), batch=4)])
    with pytest.raises(UsageError, match="returned DataFrame.*\nnext: return its rows"):
        running.run(source([1, 2, 3, 4]))


def test_a_process_says_when_outputs_are_not_one_per_item(opened, source):
    running = opened(Processes(workers=1), [Stage(lambda xs: xs[:2], name="embed", batch=4)])
    with pytest.raises(UsageError, match="stage 'embed' was given a batch of 4") as caught:
        running.run(source(list(range(8))))
    assert caught.value.__notes__ == ["stage 'embed', items 0 to 3"]


def test_collected_errors_drop_a_whole_batch_or_the_one_item(executor, opened, source):
    stages = [
        Stage(breaks_at(1), name="parse"),
        Stage(breaks_with(9), name="embed", batch=4),
        Stage(with_their_batch, name="show", batch=4),
    ]
    trace = opened(executor, stages).run(source(list(range(13)), collects_errors=True))
    assert trace.failed_items == (1, 8, 9, 10, 11)
    assert [failure.stage for failure in trace.failures] == ["parse", *["embed"] * 4]
    assert trace.failures[1].error == "BadBatchError: bad batch from 8"
    # The batches behind a failure are those of the source, without what has failed: never filled up anew.
    assert trace.outputs == [
        *((x, (0, 2, 3)) for x in (0, 2, 3)),
        *((x, (4, 5, 6, 7)) for x in (4, 5, 6, 7)),
        (12, (12,)),
    ]
    assert np.flatnonzero(trace.emitted_ns == 0).tolist() == [1, 8, 9, 10, 11]
    assert trace.num_items == 13


@pytest.mark.parametrize("error", [StopIteration, GeneratorExit, KeyboardInterrupt])
def test_an_exit_raised_in_a_batch_reaches_the_caller(executor, opened, source, error):
    def stage(xs):
        if 5 in xs:
            raise error
        return xs

    with pytest.raises(error) as caught:
        opened(executor, [Stage(stage, batch=4)]).run(source(list(range(20))))
    assert caught.value.__notes__ == ["stage 'stage', items 4 to 7"]


def test_a_batch_that_hangs_is_named_with_its_items(opened, source, fifo):
    def hang(xs):
        if 5 in xs:
            with open(fifo):
                pass
        return xs

    running = opened(Processes(workers=1), [Stage(hang, batch=4)], timeout_s=1.0)
    with pytest.raises(StageTimeoutError, match="stage 'hang', items 4 to 7 has been running"):
        running.run(source(list(range(12))))
    assert running.run(source([1, 2])).outputs == [1, 2]


def test_a_batch_that_cannot_travel_is_named_with_its_items(opened, source):
    items = [1, 2, 3, 4, threading.Lock(), 6]
    running = opened(Processes(workers=1), [Stage(lambda xs: xs, batch=4)])
    with pytest.raises(Exception, match="items 4 to 7 cannot be sent to a worker process"):
        running.run(source(items))


# --- bounds


def test_what_is_inside_stays_bounded_while_the_first_batch_is_stuck(
    parallel, opened, source, fifo
):
    stages = [
        # On the host also under cuda, where one thread calls all the device stages of a replica.
        Stage(straggle(fifo, release_at=16), batch=4, workers=2, queue_size=2, device="cpu"),
        Stage(double_all, batch=2, queue_size=2),
    ]
    bound = 4 * (4 + parallel.workers(make_plan(stages)))
    trace = opened(parallel, stages).run(source(list(range(200))))
    assert trace.outputs == [2 * x for x in range(200)]
    assert (trace.admitted_ns[bound:] >= np.maximum.accumulate(trace.emitted_ns)[:-bound]).all()


@pytest.mark.parametrize("in_flight", [1, 4, 9])
def test_no_more_than_may_be_in_flight_is_admitted_but_one_batch_always(
    executor, opened, source, in_flight
):
    trace = opened(executor, [Stage(double_all, batch=4, workers=2)]).run(
        source(list(range(40)), in_flight=in_flight)
    )
    assert trace.outputs == [2 * x for x in range(40)]
    bound = max(4, in_flight // 4 * 4)
    emitted = np.maximum.accumulate(trace.emitted_ns)
    assert (trace.admitted_ns[bound:] >= emitted[:-bound]).all()


# --- arrivals


def test_an_arrival_waits_until_its_batch_is_full_and_that_counts(executor, opened, source):
    offsets = [k * 1_000_000 for k in range(10)]
    trace = opened(executor, [Stage(with_their_batch, batch=4)]).run(
        source(list(range(10)), offsets_ns=offsets)
    )
    assert trace.outputs == list(enumerate(batches_of(4, 10)))
    assert (trace.admitted_ns - trace.began_ns).tolist() == offsets
    assert trace.latency_s[0] >= 0.003  # its batch was full with the fourth arrival
    assert trace.latency_s[8] >= 0.001  # the last batch went when the items had ended
    assert len(trace.send_lag_s) == 10


# --- declarations


@pytest.mark.parametrize("bad", [0, -1, 1.5, True, "8"])
def test_a_batch_that_is_no_count_is_refused(bad):
    with pytest.raises(UsageError, match="batch="):
        Stage(double_all, batch=bad)


def test_batches_that_never_begin_together_are_refused():
    with pytest.raises(UsageError, match="batches of 63, 64 items begin together only every 4032"):
        make_plan([Stage(double_all, batch=63), Stage(double_all, batch=64)])
