"""A worker process that ends in any way, in any state, is named, leaves nothing, and is replaced."""

import ctypes
import os
import signal
import threading

import numpy as np
import psutil
import pytest
from stages import identity

from pytest_pipeline.errors import WorkerDiedError
from pytest_pipeline.executors.processes import Processes
from pytest_pipeline.model.plan import Stage

LARGE = 500_000
"""Elements of eight bytes that go into a slot of shared memory."""

ENDS = {
    "signal SIGKILL": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "signal SIGSEGV": lambda: ctypes.string_at(0),
    "exit code 3": lambda: os._exit(3),
}


@pytest.fixture(params=list(ENDS))
def how(request):
    return request.param


@pytest.fixture
def named_and_replaced(how, source):
    """Run until the worker has died, check what is said, and that the next run works."""

    def check(running, items, where, **bounds):
        before = {worker.process.pid for worker in running._pool.workers}
        descriptors = psutil.Process().num_fds()
        with pytest.raises(WorkerDiedError) as caught:
            running.run(source(items, **bounds))
        first = str(caught.value).splitlines()[0]
        assert f"ended by itself ({how}): {where}" in first
        assert any(f"worker process {pid} " in first for pid in before)
        caught.value.__traceback__ = None  # its frames hold what was received
        assert len(running.run(source([0, 1])).outputs) == 2
        assert psutil.Process().num_fds() == descriptors
        assert not before <= {worker.process.pid for worker in running._pool.workers}

    return check


def test_a_worker_that_ends_while_it_sends_is_named(how, opened, named_and_replaced):
    end, parent = ENDS[how], os.getpid()

    class Suicidal:
        def __reduce__(self):
            if os.getpid() != parent:
                end()
            return (int, ())

    def last(x):
        return Suicidal() if x == 5 else x

    running = opened(Processes(workers=2), [identity, last])
    named_and_replaced(running, list(range(20)), "between stages, item 5")


def test_a_worker_that_ends_while_it_holds_a_slot_is_named(how, opened, named_and_replaced):
    end = ENDS[how]

    def dies(x):
        if isinstance(x, np.ndarray) and x[0] == 2:
            end()
        return 0

    running = opened(Processes(workers=1, view=True), [Stage(dies, name="dies")])
    arrays = [np.full(LARGE, k) for k in range(5)]
    named_and_replaced(running, arrays, "stage 'dies', item 2")


def test_an_idle_worker_that_ends_is_named(how, opened, named_and_replaced, fifo):
    end, over = ENDS[how], threading.Event()

    def stuck(x):
        if x != 9:
            return x

        def end_after_the_answer():
            with open(fifo) as pipe:  # until the parent's thread opens the other end
                pipe.read()
            end()

        threading.Thread(target=end_after_the_answer, daemon=True).start()
        return x

    def once_idle():
        yield 9
        # With one in flight the next is asked for when the answer is here.
        with open(fifo, "w"):
            pass
        over.wait(20)  # nothing is left to do: the run ends before
        yield 1

    running = opened(Processes(workers=1), [stuck])
    named_and_replaced(running, once_idle, "no item in hand", in_flight=1)
    over.set()
    for member in running._crew._lost:
        member.thread.join(20)


def test_a_crash_deep_in_the_calls_of_a_stage_is_named_at_once_with_its_whole_stack(opened, source):
    def deep(calls):
        return deep(calls - 1) if calls else ctypes.string_at(0)

    def outermost(x):
        return deep(60)

    running = opened(Processes(workers=1), [Stage(outermost, name="decode")])
    with pytest.raises(WorkerDiedError, match="signal SIGSEGV.: stage 'decode', item 0") as caught:
        running.run(source([1]))
    lines = str(caught.value).splitlines()
    assert sum(line.endswith("in deep") for line in lines) == 61
    assert any(line.endswith("in outermost") for line in lines)
