"""What can go wrong with worker processes: death, unpicklable things, hostile stages."""

import contextlib
import ctypes
import enum
import importlib
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass

import numpy as np
import psutil
import pytest
from stages import identity

from pytest_pipeline.errors import ShippingError, StageError, UsageError, WorkerDiedError
from pytest_pipeline.executors.processes import Processes
from pytest_pipeline.model.plan import Stage

LIMIT = 7
"""A global of the test module that a stage reads."""


@dataclass
class Order:
    """An item class that only this test module knows."""

    number: int
    total: float


class Colour(enum.Enum):
    RED = 1


class AwkwardError(Exception):
    """Does not survive pickling: its constructor wants two arguments."""

    def __init__(self, code, text):
        super().__init__(f"{code}: {text}")


def above_limit(x):
    return x > LIMIT


@pytest.fixture
def processes():
    return Processes(workers=2)


# --- death


@pytest.mark.parametrize(
    ("end", "how"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "signal SIGKILL"),
        (lambda: os.kill(os.getpid(), signal.SIGTERM), "signal SIGTERM"),
        (lambda: ctypes.string_at(0), "signal SIGSEGV"),
        (lambda: os._exit(3), "exit code 3"),
    ],
    ids=["SIGKILL", "SIGTERM", "SIGSEGV", "exit"],
)
def test_a_worker_that_dies_is_named_with_stage_and_item(processes, opened, source, end, how):
    def dies(x):
        if x == 5:
            end()
        return x

    running = opened(processes, [identity, Stage(dies, name="parse")])
    with pytest.raises(WorkerDiedError) as caught:
        running.run(source(list(range(20))))
    first, *rest = str(caught.value).splitlines()
    assert first.startswith("worker process ")
    assert first.endswith(f"ended by itself ({how}): stage 'parse', item 5")
    if how == "signal SIGSEGV":
        assert any("in dies" in line for line in rest)
    assert running.run(source([1, 2, 3])).outputs == [1, 2, 3]


def test_a_worker_killed_from_outside_is_noticed_at_once(processes, opened, source, fifo):
    def stuck(x):
        with open(fifo, "w") as pipe:
            print(os.getpid(), file=pipe)
        threading.Event().wait()

    running = opened(processes, [Stage(stuck, name="stuck")])
    victim = running._pool.workers[0].process.pid

    def kill_when_stuck(came):
        while int(came.readline()) != victim:
            pass
        os.kill(victim, signal.SIGKILL)

    ended = f"worker process {victim} ended by itself .signal SIGKILL.: stage 'stuck', item"
    began = time.monotonic()
    # Open for writing too: it does not end with the first who writes.
    with open(os.open(fifo, os.O_RDWR)) as came, pytest.raises(WorkerDiedError, match=ended):
        threading.Thread(target=kill_when_stuck, args=[came], daemon=True).start()
        running.run(source([1, 2]))
    # 0.5 s of grace for the other worker: far from the timeout of 30 s.
    assert time.monotonic() - began < 10


def test_a_worker_that_dies_between_runs_is_replaced(processes, opened, source):
    running = opened(processes, [lambda x: os.getpid()])
    before = set(running.run(source(list(range(50)))).outputs)
    for worker in list(running._pool.workers):
        os.kill(worker.process.pid, signal.SIGKILL)
        worker.process.join()
    assert not before & set(running.run(source(list(range(50)))).outputs)


def test_only_the_workers_that_fail_are_replaced_after_an_exception(processes, opened, source):
    def stage(x):
        if x == 3:
            raise ValueError(x)
        return os.getpid()

    running = opened(processes, [stage])
    before = {worker.process.pid for worker in running._pool.workers}
    with pytest.raises(ValueError):
        running.run(source(list(range(20))))
    running.run(source([1]))
    assert {worker.process.pid for worker in running._pool.workers} == before


# --- shipping


def test_functions_classes_and_globals_of_the_test_module_travel(processes, opened, source):
    def halve(order):
        assert isinstance(order, Order)
        return Order(order.number, order.total / 2)

    trace = opened(processes, [halve]).run(source([Order(1, 4.0), Order(2, 8.0)]))
    assert trace.outputs == [Order(1, 2.0), Order(2, 4.0)]
    assert all(type(order) is Order for order in trace.outputs)
    assert opened(processes, [above_limit]).run(source([7, 8])).outputs == [False, True]


def test_classes_defined_in_the_test_keep_their_identity(processes, opened, source):
    @dataclass
    class Local:
        x: int

    class Shade(enum.Enum):
        DARK = "dark"

    trace = opened(processes, [lambda x: (Local(x), Shade.DARK, Colour.RED)]).run(source([1]))
    local, shade, colour = trace.outputs[0]
    assert type(local) is Local
    assert local == Local(1)
    assert shade is Shade.DARK
    assert colour is Colour.RED


def test_a_class_that_the_stages_bring_is_not_sent_with_every_item(opened, source):
    running = opened(Processes(workers=1), [lambda order: (order, isinstance(order, Order))])
    assert len(running._codec.dumps(Order(1, 2.0))[0]) < 1000
    assert running.run(source([Order(1, 2.0)])).outputs == [(Order(1, 2.0), True)]


def test_a_class_that_only_the_items_have_travels_with_them(processes, opened, source):
    @dataclass
    class Local:
        x: int

    running = opened(processes, [lambda each: (each.x, type(each))])
    for number in range(3):
        assert running.run(source([Local(number)])).outputs == [(number, Local)]


def test_classes_born_in_a_worker_arrive(processes, opened, source):
    def stage(x):
        import collections

        return collections.namedtuple("Born", "a b")(x, x + 1)

    outputs = opened(processes, [stage]).run(source([1, 2])).outputs
    assert [(o.a, o.b) for o in outputs] == [(1, 2), (2, 3)]


def test_items_and_outputs_may_be_functions(processes, opened, source):
    base = 10
    trace = opened(processes, [lambda fn: lambda: fn(base)]).run(
        source([lambda x: x + 1, above_limit])
    )
    assert [fn() for fn in trace.outputs] == [11, True]


def test_stages_that_share_an_object_still_share_it_in_the_worker(opened, source):
    seen = []

    def first(x):
        seen.append(x)
        return x

    trace = opened(Processes(workers=1), [first, lambda x: len(seen)]).run(source([5, 6, 7]))
    assert trace.outputs == [1, 2, 3]
    assert seen == []


def test_a_stage_that_cannot_travel_is_named_before_any_worker_starts(processes, opened):
    lock = threading.Lock()

    def locked(x):
        with lock:
            return x

    before = psutil.Process().children(recursive=True)
    with pytest.raises(
        ShippingError,
        match="stage 'locked' cannot be sent to worker processes: TypeError: cannot pickle '_thread.lock'",
    ):
        opened(processes, [identity, locked])
    assert psutil.Process().children(recursive=True) == before


def test_an_item_that_cannot_travel_is_named(processes, opened, source):
    running = opened(processes, [identity])
    with pytest.raises(ShippingError, match="item 2 cannot be sent to a worker process: TypeError"):
        running.run(source([1, 2, threading.Lock()]))
    assert running.run(source([1])).outputs == [1]


def test_an_item_that_cannot_travel_costs_no_worker(processes, opened, source):
    running = opened(processes, [identity])
    before = [worker.process.pid for worker in running._pool.workers]
    with pytest.raises(ShippingError):
        running.run(source([1, 2, threading.Lock()]))
    assert running.run(source([1])).outputs == [1]
    assert [worker.process.pid for worker in running._pool.workers] == before


@pytest.mark.parametrize("bad", range(20, 28))
def test_an_error_arrives_although_the_next_item_hangs(opened, source, bad):
    def stage(item):
        if item == bad:
            raise ValueError(f"row {item}")
        if item == bad + 1:
            threading.Event().wait()
        return item

    running = opened(Processes(workers=1), [stage], timeout_s=5)
    with pytest.raises(ValueError, match=f"row {bad}"):
        running.run(source(list(range(40))))


def test_an_output_that_cannot_travel_names_stage_and_item(processes, opened, source):
    running = opened(
        processes, [identity, Stage(lambda x: threading.Lock() if x == 4 else x, name="lock")]
    )
    with pytest.raises(
        ShippingError,
        match="the output of stage 'lock', item 4 cannot be sent back from a worker process: TypeError",
    ) as caught:
        running.run(source(list(range(10))))
    assert caught.value.__notes__ == ["stage 'lock', item 4"]
    assert running.run(source([1])).outputs == [1]


class NoUtf8:
    """Cannot be pickled in a worker, or not be rebuilt there, with a message that is no UTF-8."""

    def __init__(self, parent, fails):
        self.parent, self.fails = parent, fails

    def __reduce__(self):
        if os.getpid() != self.parent:
            raise ValueError("a file named \udcff")
        return (self.fails, (self.parent, self.fails))


def rebuilding_fails(*_):
    raise ValueError("a file named \udcff")


def test_an_error_whose_text_is_no_utf_8_is_told_all_the_same(opened, source):
    whole = NoUtf8(os.getpid(), NoUtf8)
    running = opened(Processes(workers=1), [lambda x: whole])
    with pytest.raises(ShippingError, match=r"cannot be sent back .*a file named \\udcff"):
        running.run(source([1]))
    broken = NoUtf8(os.getpid(), rebuilding_fails)
    with pytest.raises(ShippingError, match=r"(?s)cannot be loaded .*a file named \\udcff"):
        opened(Processes(workers=1), [lambda x: broken])


def test_an_exception_that_does_not_pickle_arrives_as_a_stage_error(processes, opened, source):
    def stage(x):
        raise AwkwardError(7, "nope")

    with pytest.raises(StageError, match="AwkwardError: 7: nope") as caught:
        opened(processes, [stage]).run(source([1]))
    assert "in stage" in str(caught.value.__cause__)


def test_an_exception_shows_where_it_was_raised_in_the_worker(processes, opened, source):
    def parse(x):
        raise LookupError("no key")

    with pytest.raises(LookupError, match="no key") as caught:
        opened(processes, [parse]).run(source([1]))
    text = str(caught.value.__cause__)
    assert "in parse" in text
    assert os.path.join("pytest_pipeline", "executors") not in text


def test_assertions_of_test_stages_keep_their_explanation(processes, opened, source):
    def check(x):
        assert x == 99
        return x

    with pytest.raises(AssertionError, match="assert 1 == 99"):
        opened(processes, [check]).run(source([1]))


# --- arrays


@pytest.mark.parametrize("size", [1, 1000, 10_000, 1_000_000])
def test_arrays_of_any_size_go_both_ways_without_blocking_each_other(
    processes, opened, source, size
):
    def change(array):
        array += 1  # arrives writable
        return array

    arrays = [np.full(size, float(k)) for k in range(12)]
    trace = opened(processes, [change]).run(source(arrays))
    for k, output in enumerate(trace.outputs):
        assert output.shape == (size,)
        assert (output == k + 1).all()
        output[0] = 0  # comes back writable, too
        assert arrays[k][0] == k


def test_small_items_with_large_outputs_do_not_block(processes, opened, source):
    trace = opened(processes, [lambda n: np.zeros(n) + 1]).run(source([10, 2_000_000] * 10))
    assert [len(a) for a in trace.outputs] == [10, 2_000_000] * 10


def test_large_items_with_small_outputs_do_not_block(processes, opened, source):
    trace = opened(processes, [len]).run(source([b"x" * n for n in [10, 9_000_000] * 10]))
    assert trace.outputs == [10, 9_000_000] * 10


def test_odd_buffers_survive(processes, opened, source):
    fortran = np.asfortranarray(np.arange(40_000.0).reshape(200, 200))
    empty, strided = np.zeros((0, 3)), np.arange(100_000)[::2]
    for array, output in zip(
        [fortran, empty, strided],
        opened(processes, [identity]).run(source([fortran, empty, strided])).outputs,
        strict=True,
    ):
        np.testing.assert_array_equal(array, output)
    many = [np.full(3000, k) for k in range(700)]
    np.testing.assert_array_equal(
        opened(processes, [identity]).run(source([many])).outputs[0], many
    )


# --- hostile stages and surroundings


def test_a_stage_may_close_its_standard_streams_and_change_directory(
    processes, opened, source, tmp_path
):
    def rude(x):
        sys.stdout.close()
        sys.stderr.close()
        for descriptor in (0, 1, 2):
            with contextlib.suppress(OSError):
                os.close(descriptor)
        os.chdir("/")
        os.environ["PIPELINE_RUDE"] = "1"
        return x

    running = opened(processes, [rude, lambda x: (x, os.getcwd())])
    assert running.run(source([1, 2])).outputs == [(1, "/"), (2, "/")]
    assert running.run(source([3])).outputs == [(3, "/")]


def test_workers_see_the_directory_and_environment_of_each_run(
    processes, opened, source, tmp_path, monkeypatch
):
    running = opened(processes, [lambda x: (os.getcwd(), os.environ.get("PIPELINE_TEST"))])
    assert running.run(source([1])).outputs == [(os.getcwd(), None)]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PIPELINE_TEST", "yes")
    assert running.run(source([1])).outputs == [(str(tmp_path), "yes")]


def test_modules_of_stages_are_imported_under_the_environment_of_the_test(
    opened, source, tmp_path, monkeypatch
):
    opened(Processes(workers=1), [identity])  # starts the forkserver, at the latest
    (tmp_path / "pipeline_reads_environ.py").write_text(
        "import os\nVALUE = os.environ.get('PIPELINE_TEST')\ndef stage(x):\n    return VALUE\n"
    )
    monkeypatch.setenv("PIPELINE_TEST", "2")
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("pipeline_reads_environ")
    try:
        running = opened(Processes(workers=1), [module.stage])
        assert running.run(source([1])).outputs == ["2"]
    finally:
        del sys.modules["pipeline_reads_environ"]


def test_a_stage_may_start_processes_itself(processes, opened, source):
    def nested(x):
        import multiprocessing

        queue = multiprocessing.get_context("fork").SimpleQueue()
        child = multiprocessing.get_context("fork").Process(target=queue.put, args=(x + 1,))
        child.start()
        child.join()
        return queue.get()

    assert opened(processes, [nested]).run(source([1, 2])).outputs == [2, 3]


def test_a_hung_worker_shows_its_stack(processes, opened, source, fifo):
    from pytest_pipeline.errors import StageTimeoutError

    def deep(x):
        with open(fifo):
            pass

    running = opened(processes, [Stage(lambda x: deep(x) or x, name="wait")], timeout_s=0.5)
    pids = {worker.process.pid for worker in running._pool.workers}
    with pytest.raises(StageTimeoutError, match="stage 'wait', item 0") as caught:
        running.run(source([1]))
    assert "in deep" in str(caught.value)
    running._pool.fill()
    assert pids != {worker.process.pid for worker in running._pool.workers}


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_other_start_methods_work(opened, source, method):
    with contextlib.ExitStack() as stack:
        if method == "fork" and sys.version_info >= (3, 12):
            stack.enter_context(pytest.warns(DeprecationWarning, match="fork"))
        running = opened(Processes(workers=2, start_method=method), [lambda x: Order(x, 1.0)])
    assert running.run(source([1, 2])).outputs == [Order(1, 1.0), Order(2, 1.0)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"workers": 0}, "at least 1"),
        ({"chunk": 0}, "at least 1"),
        ({"workers": 2.5}, "workers=2.5 must be a whole number"),
        ({"chunk": True}, "chunk=True must be a whole number"),
        ({"layout": "staged", "workers": 2}, r"write Stage\(fn, workers=...\)"),
        ({"layout": "round"}, 'expected "fused" or "staged"'),
        ({"start_method": "teleport"}, 'expected "forkserver", "spawn" or "fork"'),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(UsageError, match=message):
        Processes(**arguments)
