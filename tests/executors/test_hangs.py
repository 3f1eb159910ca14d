"""A stage that hangs, in whatever way, ends in a timeout that names it, and the next run works."""

import contextlib
import os
import re
import select
import subprocess
import sys
import threading
import time

import psutil
import pytest

from pytest_pipeline.errors import StageTimeoutError
from pytest_pipeline.executors._accounts import IDLE
from pytest_pipeline.executors._crew import watch_accounts
from pytest_pipeline.executors._processes import channel
from pytest_pipeline.executors.processes import Processes
from pytest_pipeline.model.plan import Stage


def spin():
    while True:
        pass


def wait():
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


HANGS = {
    "in Python": spin,
    "in C without the GIL": wait,
    "in C with the GIL": lambda: re.match("(a+)+$", "a" * 64 + "b"),
    "in time.sleep": lambda: time.sleep(1000),
}


@pytest.mark.parametrize("how", list(HANGS))
def test_a_worker_process_that_hangs_is_replaced_and_its_stack_shown(how, opened, source):
    end = HANGS[how]

    def hang(x):
        if x == 2:
            end()
        return x

    running = opened(Processes(workers=2), [Stage(hang, name="decode")], timeout_s=1.0)
    assert running.run(source([0, 1])).outputs == [0, 1]
    with pytest.raises(
        StageTimeoutError, match="stage 'decode', item 2 has been running"
    ) as caught:
        running.run(source([0, 1, 2, 3]))
    assert "in hang" in str(caught.value)
    assert running.run(source([0, 1])).outputs == [0, 1]
    assert running.abandoned == ()


def has_ended(pid):
    """Wait for the end of a process that is no child of ours; whether somebody reaps it does not matter."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], 20)[0])
    finally:
        os.close(descriptor)


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="no way to wait for a foreign process")
def test_a_program_that_a_hung_stage_has_started_ends_with_its_worker(opened, source, tmp_path):
    record = tmp_path / "pid"

    def start_a_program(x):
        with subprocess.Popen(["sleep", "1000"]) as program:
            record.write_text(str(program.pid))
        return x

    running = opened(Processes(workers=1), [start_a_program], timeout_s=2.0)
    with pytest.raises(StageTimeoutError):
        running.run(source([1]))
    assert has_ended(int(record.read_text()))


def test_a_worker_that_cannot_be_killed_holds_nothing_up_and_is_named(
    opened, source, fifo, monkeypatch
):
    def hang(x):
        if x == 2:
            with open(fifo):
                pass
        return x

    running = opened(Processes(workers=1), [hang], timeout_s=0.5)
    process = running._pool.workers[0].process
    kill = process.kill
    monkeypatch.setattr(
        process, "kill", lambda: None
    )  # as in a wait that the kernel does not interrupt
    with pytest.raises(StageTimeoutError):
        running.run(source([2]))
    assert running.abandoned == (f"pipeline-worker-0 (process {process.pid})",)
    assert running.run(source([1])).outputs == [1]
    kill()
    process.join(20)
    assert running.abandoned == ()


@pytest.fixture
def without_slots(monkeypatch):
    """Large messages go through the socket, as they do where shared memory cannot be had."""
    from pytest_pipeline.executors._processes import poolworker

    monkeypatch.setattr(poolworker, "IS_SUPPORTED", False)


needs_stop = pytest.mark.skipif(sys.platform == "win32", reason="SIGSTOP")


@pytest.fixture(params=[(1.0, 0.0), (20.0, 20.0)], ids=["early", "late"])
def stop(request, monkeypatch):
    """Stop the worker, as if so much of the timeout had passed by then; it brings the timeout."""
    timeout_s, spent_s = request.param

    def stop_it(running):
        monkeypatch.setattr(channel, "monotonic", lambda: time.monotonic() + spent_s)
        worker = psutil.Process(running._pool.workers[0].process.pid)
        worker.suspend()
        while worker.status() != psutil.STATUS_STOPPED:
            pass  # amid a system call it goes on while somebody reads

    stop_it.timeout_s = timeout_s
    return stop_it


@contextlib.contextmanager
def ends_at(timeout_s):
    began = time.monotonic()
    with pytest.raises(
        StageTimeoutError, match=f"the execution did not end within {timeout_s:g} s"
    ):
        yield
    assert time.monotonic() - began < 15  # nobody waits for the timeout a second time


@needs_stop
@pytest.mark.usefixtures("without_slots")
def test_a_worker_stopped_while_it_should_read_an_item_ends_in_a_timeout(opened, source, stop):
    running = opened(Processes(workers=1), [Stage(len, name="decode")], timeout_s=stop.timeout_s)

    def items():
        yield b"ab"
        stop(running)
        yield bytes(16 << 20)

    with ends_at(stop.timeout_s):
        running.run(source(items, in_flight=1))
    assert running.run(source([b"abc"])).outputs == [3]


@needs_stop
@pytest.mark.usefixtures("without_slots")
def test_a_worker_stopped_while_it_sends_an_output_ends_in_a_timeout(
    opened, source, stop, monkeypatch
):
    running = opened(Processes(workers=1), [Stage(bytes, name="decode")], timeout_s=stop.timeout_s)
    fill = channel.Channel._fill

    def fill_from_stopped(self, view):
        monkeypatch.setattr(channel.Channel, "_fill", fill)
        stop(running)
        fill(self, view)

    monkeypatch.setattr(channel.Channel, "_fill", fill_from_stopped)
    with ends_at(stop.timeout_s):
        running.run(source([16 << 20]))
    assert running.run(source([3])).outputs == [bytes(3)]


ASLEEP = """
import sys, time
from pytest_pipeline.errors import StageTimeoutError
from pytest_pipeline.executors.registry import resolve
from pytest_pipeline.model.plan import Source, make_plan

def decode(x):
    if x == 2:
        time.sleep(1000)
    return x

running = resolve(sys.argv[1]).open(make_plan([decode], timeout_s=0.5))
try:
    running.run(Source(lambda: iter([0, 1, 2, 3])))
except StageTimeoutError as error:
    text = str(error)
    print("stage 'decode', item 2 has been running" in text, "in decode" in text)
print(*running.abandoned)
print(running.run(Source(lambda: iter([0, 1]))).outputs)
"""


@pytest.mark.parametrize("name", ["serial", "threads"])
def test_a_thread_that_sleeps_is_abandoned_and_named_and_the_next_run_works(script, name):
    output, _ = script(ASLEEP, name).communicate(timeout=20)
    stack, abandoned, outputs = output.splitlines()
    assert stack == "True True"
    assert abandoned.startswith(f"pipeline-{name}")
    assert outputs == "[0, 1]"


class EndsItsVisit:
    """The account of a worker that is idle the second time one looks."""

    stage, since_ns, done = 0, 5, ()

    def __init__(self):
        self._items = iter([3])

    @property
    def item(self):
        return next(self._items, IDLE)


def test_a_visit_that_ends_while_the_time_is_up_is_named_with_its_item_or_not_at_all():
    assert watch_accounts([EndsItsVisit()], ["parse"]).visits == [(5, "parse", 3)]
