"""One contract, every executor."""

import threading
import time

import numpy as np
import psutil
import pytest
from stages import breaks_at, straggle

from pytest_pipeline.errors import StageTimeoutError, UsageError
from pytest_pipeline.executors.protocol import Executor
from pytest_pipeline.executors.serial import Serial
from pytest_pipeline.executors.threads import Threads
from pytest_pipeline.explain.item_ledger import make_item_ledger
from pytest_pipeline.measure.items import make_source
from pytest_pipeline.model.fan import Fan
from pytest_pipeline.model.plan import Source, Stage


class BrokenItemError(ValueError):
    """Raised by stages here: defined in a test module on purpose."""


def double(x):
    return 2 * x


def add_one(x):
    return x + 1


def spin(seconds):
    def stage(x):
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            pass
        return x

    return stage


def compute(seconds):
    def stage(x):
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            pass
        return x

    return stage


# --- outputs


def test_executor_keeps_the_protocol(executor):
    assert isinstance(executor, Executor)
    assert executor.unavailable() is None


def test_outputs_come_in_input_order(executor, opened, source):
    trace = opened(executor, [double, Stage(add_one, workers=3), double]).run(
        source(list(range(50)))
    )
    assert trace.outputs == [2 * (2 * x + 1) for x in range(50)]


def test_outputs_come_in_input_order_when_items_overtake_each_other(parallel, opened, source):
    uneven = Stage(lambda x: spin(0.003 if x % 3 == 0 else 0.0)(x), name="uneven", workers=3)
    trace = opened(parallel, [uneven, add_one]).run(source(list(range(40))))
    assert trace.outputs == list(range(1, 41))


def test_an_open_executor_runs_many_times(executor, opened, source):
    running = opened(executor, [double, add_one])
    for n in range(30):
        assert running.run(source(list(range(n)))).outputs == [2 * x + 1 for x in range(n)]


def test_an_empty_source_gives_an_empty_trace(executor, opened, source):
    trace = opened(executor, [double]).run(source([]))
    assert trace.outputs == []
    assert len(trace.visits) == len(trace.latency_s) == 0
    assert trace.makespan_s >= 0
    assert trace.first_result_ns == trace.ended_ns


def test_none_is_an_item_like_any_other(executor, opened, source):
    assert opened(executor, [lambda x: x]).run(source([None, None])).outputs == [None, None]


def test_one_stage_used_twice_runs_twice(executor, opened, source):
    twice = Stage(double)
    assert opened(executor, [twice, twice]).run(source([1, 2])).outputs == [4, 8]


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("queue_size", [1, 2, 3, 16])
def test_any_queue_size_and_worker_count_gives_the_same_outputs(
    executor, opened, source, workers, queue_size
):
    some = {(1, 1), (2, 1), (2, 3), (4, 16)}
    if executor.name == "processes" and (workers, queue_size) not in some:
        pytest.skip("processes take a second to start: four of the combinations")
    stages = [Stage(fn, workers=workers, queue_size=queue_size) for fn in (double, add_one, double)]
    trace = opened(executor, stages).run(source(list(range(60))))
    assert trace.outputs == [2 * (2 * x + 1) for x in range(60)]


def test_a_source_that_is_a_callable_is_run_afresh_every_time(executor, opened, source):
    calls = []

    def items():
        calls.append(1)
        yield from range(5)

    running = opened(executor, [double])
    for _ in range(3):
        assert running.run(source(items)).outputs == [0, 2, 4, 6, 8]
    assert len(calls) == 3


# --- times


def test_every_visit_is_recorded_once(executor, opened, source):
    trace = opened(executor, [Stage(double, workers=2), add_one]).run(
        source(lambda: iter(range(25)))
    )
    assert trace.stage_names == ("source", "double", "add_one")
    pairs = sorted(zip(trace.visits.item.tolist(), trace.visits.stage.tolist(), strict=True))
    assert pairs == [(item, stage) for item in range(25) for stage in range(3)]


def test_an_untimed_source_is_no_stage(executor, opened, source):
    trace = opened(executor, [double]).run(source([1, 2]))
    assert trace.stage_names == ("double",)
    assert "source" not in trace.stages


def test_times_never_go_backwards(executor, opened, source):
    trace = opened(executor, [double, spin(0.001), Stage(add_one, workers=2)]).run(
        source(lambda: iter(range(20)))
    )
    visits = trace.visits
    assert (visits.enqueued_ns <= visits.started_ns).all()
    assert (visits.started_ns <= visits.finished_ns).all()
    assert (visits.started_ns >= trace.began_ns).all()
    assert (visits.finished_ns <= trace.ended_ns).all()
    assert trace.began_ns <= trace.first_result_ns <= trace.ended_ns
    order = np.lexsort((visits.stage, visits.item))
    finished, enqueued = (
        visits.finished_ns[order].reshape(20, 4),
        visits.enqueued_ns[order].reshape(20, 4),
    )
    assert (finished[:, :-1] <= enqueued[:, 1:]).all()
    assert (trace.emitted_ns == finished[:, -1]).all()
    assert (trace.admitted_ns <= finished[:, 0]).all()
    assert (trace.latency_s > 0).all()


def test_the_worker_ledger_adds_up(executor, opened, source):
    running = opened(
        executor,
        [
            Stage(spin(0.002), name="a", workers=2),
            Stage(spin(0.004), name="b", queue_size=1),
            double,
        ],
    )
    running.run(source(lambda: iter(range(10))))
    trace = running.run(source(lambda: iter(range(30))))
    ledger = trace.ledger
    total = sum(row.total_s for row in ledger.rows)
    assert ledger.makespan_s == trace.makespan_s
    assert total == pytest.approx(ledger.workers * ledger.makespan_s, rel=1e-9)
    assert all(
        part >= -1e-6
        for row in ledger.rows
        for part in (
            row.service_s,
            row.blocked_s,
            row.starved_s,
            row.serialisation_s,
            row.transfer_s,
            row.handover_s,
            row.unaccounted_s,
        )
    )
    assert sum(row.unaccounted_s for row in ledger.rows) <= 0.02 * total
    spent = (trace.visits.finished_ns - trace.visits.started_ns) / 1e9
    for index, name in enumerate(trace.stage_names):
        assert trace.stages[name].service_s == pytest.approx(
            float(spent[trace.visits.stage == index].sum())
        )


def test_the_item_ledger_adds_up(executor, opened, source):
    stages = [
        Stage(spin(0.001), name="a", workers=2),
        Stage(spin(0.002), name="b", queue_size=1),
        double,
    ]
    trace = opened(executor, stages).run(source(lambda: iter(range(30))))
    ledger = make_item_ledger(trace)
    assert [row.name for row in ledger.rows] == ["source", "a", "b", "double"]
    assert ledger.latency_s == pytest.approx(float(trace.latency_s.mean()))
    assert abs(ledger.unaccounted_s) <= 0.02 * ledger.latency_s
    assert ledger.little_gap < 1e-6


def test_each_pinned_stage_accounts_for_its_own_workers(opened, source):
    trace = opened(
        Threads(), [Stage(spin(0.001), name="a", workers=2), Stage(double, name="b")]
    ).run(source(lambda: iter(range(10))))
    assert {name: row.workers for name, row in trace.stages.items()} == {
        "source": 1,
        "a": 2,
        "b": 1,
    }
    for row in trace.ledger.rows:
        assert row.total_s == pytest.approx(row.workers * trace.makespan_s)


def test_cpu_time_shows_which_stage_computes(executor, opened, source):
    trace = opened(executor, [Stage(compute(0.005), name="busy"), Stage(double, name="light")]).run(
        source(list(range(20)))
    )
    total = sum(row.cpu_s for row in trace.ledger.rows)
    assert total > 0.09
    # A share of its items tells the share of the time in which a stage computes.
    assert trace.stages["busy"].cpu_s > 0.07 > trace.stages["light"].cpu_s


def test_worker_slots_stay_within_what_the_executor_declares(executor, opened, source):
    stages = [Stage(spin(0.0005), name="a", workers=3), double]
    running = opened(executor, stages)
    trace = running.run(source(list(range(30))))
    declared = sum(row.workers for row in trace.ledger.rows)
    assert declared == executor.workers(running._plan)
    assert trace.visits.worker.max() < max(row.workers for row in trace.ledger.rows)


def test_start_up_is_reported_once(executor, opened, source):
    running = opened(executor, [double])
    first, second = running.run(source([1])), running.run(source([1]))
    assert first.startup_s == running.startup_s > 0
    assert second.startup_s == 0


@pytest.mark.parametrize(
    "executor",
    [Serial(), Threads(), Threads(layout="shared")],
    ids=["serial", "staged", "shared"],
)
def test_measuring_an_empty_run_calls_no_stage(executor, opened, source):
    calls = []
    running = opened(executor, [calls.append])
    for _ in range(2):
        running.run(source([1]))
    assert calls == [1, 1]


def test_the_cost_of_an_empty_run_is_measured_once(executor, opened, source):
    running = opened(executor, [add_one])
    first, second = running.run(source([1])), running.run(source([1]))
    assert first.empty_run_s == second.empty_run_s > 0


# --- bounds


def emitted_in_order(trace):
    return np.maximum.accumulate(trace.emitted_ns)


@pytest.mark.parametrize("in_flight", [1, 2, 5])
def test_no_more_items_are_in_flight_than_asked_for(executor, opened, source, in_flight):
    stages = [Stage(spin(0.0005), name="a", workers=3), Stage(spin(0.0002), name="b", workers=2)]
    trace = opened(executor, stages).run(source(list(range(40)), in_flight=in_flight))
    assert trace.outputs == list(range(40))
    assert (trace.admitted_ns[in_flight:] >= emitted_in_order(trace)[:-in_flight]).all()


def test_memory_stays_bounded_while_the_first_item_is_stuck(parallel, opened, source, fifo):
    # On the host also under cuda, where one thread calls all the device stages of a replica.
    stages = [
        Stage(straggle(fifo, release_at=4), name="a", workers=2, queue_size=2, device="cpu"),
        Stage(double, name="b", queue_size=2),
    ]
    running = opened(parallel, stages)
    bound = 4 + parallel.workers(running._plan)
    trace = running.run(source(list(range(200))))
    assert trace.outputs == [2 * x for x in range(200)]
    assert (trace.admitted_ns[bound:] >= emitted_in_order(trace)[:-bound]).all()


def test_a_blocked_stage_says_so(opened, source):
    trace = opened(
        Threads(),
        [Stage(double, name="fast", queue_size=1), Stage(spin(0.004), name="slow", queue_size=1)],
    ).run(source(list(range(20))))
    assert trace.stages["fast"].blocked_s > trace.stages["fast"].service_s
    assert trace.stages["slow"].blocked_s == 0


# --- open loop


def test_latency_counts_from_the_intended_start_when_the_pipeline_falls_behind(
    executor, opened, source
):
    gap = 1_000_000
    trace = opened(executor, [Stage(spin(0.004), name="slow")]).run(
        source(list(range(20)), offsets_ns=[i * gap for i in range(20)])
    )
    intended = trace.began_ns + gap * np.arange(20)
    assert (trace.admitted_ns == intended).all()
    assert (trace.latency_s == (trace.emitted_ns - intended) / 1e9).all()
    # Work of 4 ms every 1 ms on at most 3 workers: the backlog shows in the latency of the last.
    assert trace.latency_s[-1] > trace.latency_s[0]
    assert len(trace.send_lag_s) == 20
    assert (trace.send_lag_s >= 0).all()


def test_items_never_enter_before_their_intended_start(executor, opened, source):
    offsets = [0, 5_000_000, 5_000_000, 20_000_000]
    trace = opened(executor, [double]).run(source([1, 2, 3, 4], offsets_ns=offsets))
    first = trace.visits.stage == 0
    started = trace.visits.started_ns[first][np.argsort(trace.visits.item[first])]
    assert (started >= trace.began_ns + np.array(offsets)).all()


def test_send_lag_is_empty_in_closed_loop(executor, opened, source):
    assert len(opened(executor, [double]).run(source([1, 2])).send_lag_s) == 0


# --- failures


@pytest.mark.parametrize("bad", [0, 13, 29])
def test_a_stage_that_raises_gives_the_original_exception_with_stage_and_item(
    executor, opened, source, bad
):
    running = opened(
        executor,
        [
            double,
            Stage(breaks_at(2 * bad, error=BrokenItemError), name="parse", workers=2),
            add_one,
        ],
    )
    with pytest.raises(BrokenItemError, match=f"bad item {2 * bad}") as caught:
        running.run(source(list(range(30))))
    assert caught.value.__notes__ == [f"stage 'parse', item {bad}"]
    assert running.run(source([100, 101])).outputs == [201, 203]


@pytest.mark.parametrize(
    "executor", [Threads(), Threads(layout="shared")], ids=["staged", "shared"]
)
def test_threads_raise_the_very_object_with_its_traceback(executor, opened, source):
    error = BrokenItemError("this one")

    def parse(x):
        raise error

    with pytest.raises(BrokenItemError) as caught:
        opened(executor, [parse]).run(source([1]))
    assert caught.value is error
    assert any(entry.name == "parse" for entry in caught.traceback)


def test_a_source_that_raises_is_named(executor, opened, source):
    def items():
        yield from range(5)
        raise BrokenItemError("no more")

    running = opened(executor, [double])
    with pytest.raises(BrokenItemError) as caught:
        running.run(source(items))
    assert caught.value.__notes__ == ["stage 'source', item 5"]
    assert running.run(source([1])).outputs == [2]


def test_a_source_that_cannot_be_created_is_named(executor, opened, source):
    def items():
        raise BrokenItemError("no such file")

    with pytest.raises(BrokenItemError) as caught:
        opened(executor, [double]).run(source(items))
    assert caught.value.__notes__ == ["stage 'source', item 0"]


@pytest.mark.parametrize("is_timed", [True, False], ids=["timed", "untimed"])
def test_a_source_whose_creation_raises_stop_iteration_is_not_an_empty_one(
    executor, opened, is_timed
):
    running = opened(executor, [double])
    with pytest.raises(StopIteration) as caught:
        running.run(Source(lambda: iter([next(iter([]))]), is_timed=is_timed))
    assert caught.value.__notes__ == ["stage 'source', item 0"]
    assert running.run(Source(lambda: iter([1]))).outputs == [2]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, StopIteration, GeneratorExit])
def test_even_exits_raised_by_a_stage_reach_the_caller(executor, opened, source, error):
    running = opened(executor, [breaks_at(3, error=error)])
    with pytest.raises(error) as caught:
        running.run(source(list(range(10))))
    assert caught.value.__notes__ == ["stage 'stage', item 3"]
    assert running.run(source([1])).outputs == [1]


def test_what_a_branch_of_a_fan_raises_reaches_the_caller_as_it_is(executor, opened, source):
    fan = Fan([double, breaks_at(3, error=StopIteration)], join=max)
    running = opened(executor, [Stage(fan, name="fan")])
    with pytest.raises(StopIteration, match="bad item 3") as caught:
        running.run(source(list(range(10))))
    assert caught.value.__notes__ == ["stage 'fan', item 3"]
    assert running.run(source([1])).outputs == [2]


def test_exits_are_never_collected(executor, opened, source):
    with pytest.raises(KeyboardInterrupt):
        opened(executor, [breaks_at(3, error=KeyboardInterrupt)]).run(
            source(list(range(10)), collects_errors=True)
        )


def test_items_behind_a_failure_are_dropped(executor, opened, source):
    taken = []

    def items():
        for x in range(100_000):
            taken.append(x)
            yield x

    with pytest.raises(BrokenItemError):
        opened(executor, [breaks_at(0, error=BrokenItemError), double]).run(source(items))
    assert len(taken) < 1000


# --- timeout and interruption


def test_a_hang_ends_in_a_timeout_that_names_stage_and_item(executor, opened, source, fifo):
    def hang(x):
        if x == 3:
            with open(fifo):
                pass
        return x

    running = opened(executor, [double, Stage(lambda x: hang(x // 2), name="hang")], timeout_s=0.5)
    with pytest.raises(
        StageTimeoutError,
        match="did not end within 0.5 s: stage 'hang', item 3 has been running for",
    ) as caught:
        running.run(source(list(range(10))))
    assert "in hang" in str(caught.value)
    if executor.name == "processes":
        assert running.abandoned == ()
    else:
        assert len(running.abandoned) == 1
    assert running.run(source([1, 2])).outputs == [1, 2]
    release(fifo, running)
    assert running.abandoned == ()


def release(fifo, running):
    """Let the hung thread go, and wait until it has ended."""
    hung = [member.thread for member in running._crew._lost]
    if hung:
        with open(fifo, "w"):
            pass
    for thread in hung:
        thread.join(5)


def test_a_source_that_hangs_is_named(executor, opened, source, fifo):
    def items():
        yield 1
        with open(fifo):
            pass

    running = opened(executor, [double], timeout_s=0.3)
    with pytest.raises(StageTimeoutError, match="stage 'source', item 1 has been running"):
        running.run(source(items))
    assert running.abandoned == (
        f"pipeline-{executor.name}"
        if executor.name == "serial"
        else f"pipeline-{executor.name}-source",
    )
    assert running.run(source([4])).outputs == [8]
    release(fifo, running)


def chunk_for(executor, chunk):
    """Return `chunk` where items can travel together: to a device they go one by one."""
    return 1 if executor.name.startswith("cuda") else chunk


class Lazy:
    """Items that can be iterated again and again, and do not lie in memory."""

    def __init__(self, *items, then=None):
        self._items = items
        self._then = then

    def __iter__(self):
        yield from self._items
        if self._then is not None:
            with open(self._then):
                pass


class LazyArray(Lazy):
    """An array on disk, as zarr and h5py have them."""

    def __array__(self):
        return np.array(self._items)


@pytest.mark.parametrize("items", [Lazy, LazyArray])
def test_items_that_are_read_while_they_are_iterated_may_hang_and_are_named(
    executor, opened, fifo, items
):
    running = opened(executor, [double], timeout_s=0.3)
    with pytest.raises(StageTimeoutError, match="stage 'source', item 1 has been running"):
        running.run(make_source(items(1, then=fifo)))
    assert len(running.abandoned) == 1
    assert running.run(make_source(items(4, 5))).outputs == [8, 10]
    release(fifo, running)


@pytest.mark.parametrize("chunk", [1, 4])
def test_items_that_are_read_while_they_are_iterated_are_no_stage_of_their_own(
    executor, opened, chunk
):
    stages = [Stage(double, chunk=chunk_for(executor, chunk))] * 2
    running = opened(executor, stages)
    trace = running.run(make_source(Lazy(*range(10))))
    assert trace.outputs == [4 * item for item in range(10)]
    assert "source" not in trace.stages
    assert sorted(set(trace.visits.stage.tolist())) == [0, 1]
    assert (trace.latency_s > 0).all()


class EndsOnce:
    """An iterator that does not bear being asked after its end, like one that closes its file there."""

    def __init__(self, count):
        self._left = count

    def __iter__(self):
        return self

    def __next__(self):
        self._left -= 1
        if self._left < -1:
            raise RuntimeError("asked after the end")
        if self._left < 0:
            raise StopIteration
        return self._left


@pytest.mark.parametrize("chunk", [1, 4])
def test_an_iterator_is_not_asked_again_after_its_end(executor, opened, chunk):
    running = opened(executor, [Stage(double, chunk=chunk_for(executor, chunk))])
    assert running.run(Source(lambda: EndsOnce(10))).outputs == [2 * k for k in reversed(range(10))]


class Sealed(Exception):  # noqa: N818 - what a user may call it
    """Refuses every attribute, as a frozen dataclass does."""

    def __setattr__(self, name, value):
        raise AttributeError(f"cannot assign to {name}")


def test_an_exception_that_refuses_attributes_arrives_with_its_place(executor, opened, source):
    def stage(item):
        if item == 3:
            raise Sealed("row 3")
        return item

    running = opened(executor, [stage], timeout_s=5)
    with pytest.raises(Sealed, match="row 3") as caught:
        running.run(source(list(range(10))))
    assert caught.value.__notes__ == ["stage 'stage', item 3"]
    assert running.run(source([4])).outputs == [4]


def test_waiting_for_an_arrival_is_cut_short_by_the_timeout(executor, opened, source):
    running = opened(executor, [double], timeout_s=0.2)
    began = time.monotonic()
    with pytest.raises(StageTimeoutError, match="no stage function was running"):
        running.run(source([1, 2], offsets_ns=[0, 3_600_000_000_000]))
    assert time.monotonic() - began < 10
    assert running.abandoned == ()


def test_a_closed_executor_refuses_to_run(executor, opened, source):
    running = opened(executor, [double])
    running.close()
    with pytest.raises(UsageError, match="closed"):
        running.run(source([1]))


def test_close_may_be_called_twice(executor, opened):
    running = opened(executor, [double])
    running.close()
    running.close()


def test_close_without_a_run_and_before_the_first_item(executor, opened, source):
    opened(executor, [double]).close()


def test_nothing_is_left_after_close(executor, opened, source, fifo):
    me = psutil.Process()

    def once():
        running = opened(executor, [double, Stage(breaks_at(6, error=BrokenItemError), workers=2)])
        running.run(source([1, 2]))
        with pytest.raises(BrokenItemError):
            running.run(source([3]))
        running.close()

    once()  # starts what multiprocessing keeps for good: forkserver, resource tracker
    threads, processes, descriptors = (
        threading.active_count(),
        me.children(recursive=True),
        me.num_fds(),
    )
    for _ in range(3):
        once()
    assert threading.active_count() == threads
    assert {p.pid for p in me.children(recursive=True)} == {p.pid for p in processes}
    assert me.num_fds() == descriptors
