"""What a stage, a machine or a killer may do to worker processes, and what the user sees then."""

import os
import resource
import signal
import sys
import sysconfig
import threading
import time

import numpy as np
import psutil
import pytest
from stages import identity

from pytest_pipeline.errors import ShippingError, UsageError, WorkerDiedError
from pytest_pipeline.executors.processes import Processes
from pytest_pipeline.model.plan import Stage


class BothWaysError(Exception):
    """Cannot be pickled at all."""

    def __reduce__(self):
        raise TypeError("not me")


@pytest.fixture(params=["fused", "staged"])
def processes(request):
    return Processes(workers=2) if request.param == "fused" else Processes(layout="staged")


# --- killed, in each state


def pids(running):
    return [worker.process.pid for worker in running._pool.workers]


def test_a_worker_killed_while_idle_in_a_run_is_named(opened, source, fifo):
    def stuck(x):
        with open(fifo) as pipe:
            pipe.read()  # until the writer closes

    running = opened(Processes(workers=2), [Stage(stuck, name="stuck")])
    idle = pids(running)[1]  # one item only: it goes to the first worker
    writers = []

    def kill_when_stuck():
        writers.append(os.open(fifo, os.O_WRONLY))
        os.kill(idle, signal.SIGKILL)

    killer = threading.Thread(target=kill_when_stuck)
    killer.start()
    with pytest.raises(WorkerDiedError, match=f"{idle} ended by itself .*SIGKILL.*no item in hand"):
        running.run(source([1]))
    killer.join(20)
    os.close(writers[0])
    running._pool.fill()
    assert idle not in pids(running)


def test_a_worker_killed_while_it_sends_is_named(processes, opened, source):
    class Suicidal:
        """Dies while it is pickled, in the worker only."""

        def __init__(self, parent):
            self.parent = parent

        def __reduce__(self):
            if os.getpid() != self.parent:
                os.kill(os.getpid(), signal.SIGKILL)
            return (Suicidal, (self.parent,))

    parent = os.getpid()
    running = opened(processes, [identity, Stage(lambda x: Suicidal(parent), name="last")])
    with pytest.raises(WorkerDiedError, match=r"SIGKILL.: between stages, item 0"):
        running.run(source([1]))
    assert running._pool.fill()


def test_a_worker_that_runs_out_of_memory_says_so(processes, opened, source):
    def hungry(x):
        import resource

        import psutil

        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        used = psutil.Process().memory_info().vms
        resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20), hard))
        try:
            return bytearray(1 << 30)
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (soft, hard))

    running = opened(processes, [Stage(hungry, name="hungry")])
    with pytest.raises(MemoryError) as caught:
        running.run(source([1]))
    assert caught.value.__notes__ == ["stage 'hungry', item 0"]


@pytest.mark.skipif(
    bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    reason="its heap reserves a gigabyte of addresses ahead, out of which it serves the item",
)
def test_a_worker_without_memory_for_its_input_names_the_item(opened, source):
    def starve(x):
        import resource

        import psutil

        used = psutil.Process().memory_info().vms
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (used + (32 << 20), hard))
        return len(x)

    running = opened(Processes(workers=1), [Stage(starve, name="starve")])
    with pytest.raises(ShippingError, match="item 1 cannot be rebuilt.*MemoryError"):
        running.run(source([b"", bytes(100 << 20)]))


# --- exceptions


def test_an_exception_that_refuses_to_be_pickled_arrives_as_text(processes, opened, source):
    from pytest_pipeline.errors import StageError

    def stage(x):
        raise BothWaysError("gone")

    running = opened(processes, [Stage(stage, name="parse")])
    with pytest.raises(StageError, match="BothWaysError: gone") as caught:
        running.run(source([1]))
    assert caught.value.__notes__ == ["stage 'parse', item 0"]


def test_two_stages_that_raise_at_once_give_one_error(processes, opened, source):
    def stage(x):
        raise ValueError(x)

    running = opened(processes, [stage])
    for _ in range(5):
        with pytest.raises(ValueError):
            running.run(source(list(range(40))))


# --- what a stage may do


def test_a_stage_may_start_threads_that_never_end(processes, opened, source):
    def stage(x):
        threading.Thread(target=threading.Event().wait, daemon=True).start()
        return x

    running = opened(processes, [stage])
    assert running.run(source(list(range(20)))).outputs == list(range(20))
    began = time.monotonic()
    running.close()
    assert time.monotonic() - began < 10


def test_a_child_that_a_stage_leaves_behind_does_not_hold_anything_up(opened, source, tmp_path):
    def stage(x):
        pid = os.fork()
        if not pid:
            os.execvp("sleep", ["sleep", "20"])
        return pid

    running = opened(Processes(workers=1), [stage])
    (child,) = running.run(source([1])).outputs
    worker = psutil.Process(pids(running)[0])
    running.close()
    assert not worker.is_running()
    os.kill(child, signal.SIGKILL)


ORPHANS = """
import os, sys
from pytest_pipeline.executors.processes import Processes
from pytest_pipeline.model.plan import Source, make_plan

def wait(x):
    if not os.fork():
        os.write(1, f"{os.getpid()}\\n".encode())
        os.execvp("sh", ["sh", "-c", "exec sleep 20 >/dev/null 2>&1"])
    with open(sys.argv[1]) as pipe:
        pipe.read()

if __name__ == "__main__":
    running = Processes(workers=2, start_method=sys.argv[2]).open(make_plan([wait]))
    print(*(worker.process.pid for worker in running._pool.workers), flush=True)
    running.run(Source(lambda: iter([0, 1])))
"""


@pytest.mark.parametrize("method", ["forkserver", "spawn", "fork"])
def test_workers_follow_a_killed_parent_although_their_stages_have_forked(script, fifo, method):
    quiet = (sys.executable, "-W", "ignore::DeprecationWarning")  # 3.12: forked beside threads
    process = script(ORPHANS, fifo, method, command=quiet)
    workers = [psutil.Process(int(pid)) for pid in process.stdout.readline().split()]
    writer = os.open(fifo, os.O_WRONLY)
    orphans = [int(process.stdout.readline()) for _ in workers]
    process.kill()
    process.wait()
    gone, alive = psutil.wait_procs(workers, timeout=10)
    os.close(writer)
    for orphan in orphans:  # they hold the pipe of the resource tracker, which holds our stdout
        os.kill(orphan, signal.SIGKILL)
    assert len(gone) == 2
    assert not alive


# --- limits of the machine


@pytest.fixture
def few_descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    def leave(free):
        taken = {int(name) for name in os.listdir("/proc/self/fd")}
        numbers = [number for number in range(soft) if number not in taken]
        resource.setrlimit(resource.RLIMIT_NOFILE, (numbers[free], hard))

    yield leave
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc")
@pytest.mark.parametrize("free", [0, 1, 2, 3, 4, 5, 6, 9, 12, 30])
def test_no_descriptors_left_is_an_error_that_leaves_nothing(opened, source, few_descriptors, free):
    me = psutil.Process()
    opened(Processes(workers=1), [identity]).close()  # starts the forkserver
    before, children = me.num_fds(), {child.pid for child in me.children(recursive=True)}
    few_descriptors(free)
    with pytest.raises(OSError, match="Too many open files.*next: fewer workers, or .*ulimit -n"):
        opened(Processes(workers=8), [identity])
    resource.setrlimit(resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE)[1:] * 2)
    assert me.num_fds() == before
    assert {child.pid for child in me.children(recursive=True)} == children


@pytest.mark.slow
def test_an_item_beyond_the_slots_travels_through_the_socket(opened, source):
    if psutil.virtual_memory().available < 6 << 30:
        pytest.skip("needs 6 GB of free memory")
    item = np.zeros(300 << 20, dtype=np.uint8)
    item[-1] = 7
    output = opened(Processes(workers=1), [identity]).run(source([item])).outputs[0]
    assert output.nbytes == item.nbytes
    assert output[-1] == 7


@pytest.mark.slow
def test_an_item_of_three_gigabytes_travels(opened, source):
    if "PIPELINE_LARGE_ITEM" not in os.environ:
        pytest.skip("set PIPELINE_LARGE_ITEM=1: needs 12 GB of free memory")
    item = np.zeros(3 << 30, dtype=np.uint8)
    item[-1] = 7
    output = opened(Processes(workers=1), [identity], timeout_s=120).run(source([item])).outputs[0]
    assert output.nbytes == item.nbytes
    assert output[-1] == 7


# --- fork, on request


def test_fork_is_refused_while_other_threads_run(opened):
    over = threading.Event()
    thread = threading.Thread(target=over.wait, name="busy-one")
    thread.start()
    try:
        with pytest.raises(
            UsageError, match='start_method="fork".*busy-one.*next: leave start_method out'
        ):
            opened(Processes(workers=1, start_method="fork"), [identity])
    finally:
        over.set()
        thread.join()


def test_fork_is_refused_once_cuda_is_initialised(opened, monkeypatch):
    import types

    torch = types.ModuleType("torch")
    torch.cuda = types.SimpleNamespace(is_initialized=lambda: True)
    monkeypatch.setitem(sys.modules, "torch", torch)
    with pytest.raises(UsageError, match="CUDA.*next: leave start_method out"):
        opened(Processes(workers=1, start_method="fork"), [identity])
