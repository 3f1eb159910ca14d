"""Ctrl-C, a killed parent, interpreter exit: seen from outside, in processes of their own."""

import os
import signal
import sys

import psutil
import pytest

COMMON = """
import os, sys, time, threading
from pytest_pipeline.executors.registry import resolve
from pytest_pipeline.model.plan import Source, make_plan

def wait(x):
    if x == 1:
        # Blocks until there is a writer, and then until it closes.
        with open(sys.argv[2]) as pipe:
            pipe.read()
    return os.getpid()
"""

INTERRUPTED = (
    COMMON
    + """
running = resolve(sys.argv[1]).open(make_plan([wait]))
running.run(Source(lambda: iter([2, 3])))
print("ready", flush=True)
began = time.monotonic()
try:
    running.run(Source(lambda: iter([0, 1, 2])))
except KeyboardInterrupt:
    print("interrupted", flush=True)
print(running.run(Source(lambda: iter([5, 6]))).outputs != [], flush=True)
running.close()
print("closed", time.monotonic() - began, flush=True)
"""
)


@pytest.mark.parametrize("name", ["serial", "threads", "processes"])
def test_ctrl_c_ends_a_run_and_the_next_one_works(script, fifo, name):
    process = script(INTERRUPTED, name, fifo)
    assert process.stdout.readline() == "ready\n"
    # Opening the writing end returns when the stage has opened the reading end: it hangs there now.
    writer = os.open(fifo, os.O_WRONLY)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=20)
    os.close(writer)
    lines = output.splitlines()
    assert lines[:2] == ["interrupted", "True"], output
    assert lines[2].startswith("closed"), output
    assert process.returncode == 0


UNCLOSED = (
    COMMON
    + """
running = resolve(sys.argv[1]).open(make_plan([wait]))
print(len(running.run(Source(lambda: iter([0, 2]))).outputs), flush=True)
"""
)


@pytest.mark.parametrize("name", ["serial", "threads", "processes"])
def test_an_executor_that_was_never_closed_does_not_hold_up_the_exit(script, fifo, name):
    output, _ = script(UNCLOSED, name, fifo).communicate(timeout=20)
    assert output == "2\n"


HUNG = (
    COMMON
    + """
running = resolve(sys.argv[1]).open(make_plan([wait], timeout_s=0.3))
try:
    running.run(Source(lambda: iter([0, 1])))
except Exception as error:
    print(type(error).__name__, flush=True)
"""
)


@pytest.mark.parametrize("name", ["serial", "threads", "processes"])
def test_a_hung_stage_does_not_hold_up_the_exit(script, fifo, name):
    output, _ = script(HUNG, name, fifo).communicate(timeout=20)
    assert output == "StageTimeoutError\n"


ORPHANED = (
    COMMON
    + """
running = resolve("processes").open(make_plan([wait]))
print(*(worker.process.pid for worker in running._pool.workers), flush=True)
running.run(Source(lambda: iter([0, 1])))
"""
)


def test_workers_end_when_their_parent_is_killed(script, fifo):
    process = script(ORPHANED, "processes", fifo)
    pids = process.stdout.readline().split()
    workers = [psutil.Process(int(pid)) for pid in pids]
    writer = os.open(fifo, os.O_WRONLY)
    process.kill()
    process.wait()
    gone, alive = psutil.wait_procs(workers, timeout=5)
    os.close(writer)
    assert len(gone) == 2
    assert not alive


HOLDING = """
import ctypes, sys
from pytest_pipeline.executors.processes import Processes
from pytest_pipeline.model.plan import Source, make_plan

def hold_the_lock_of_the_interpreter(x):
    ctypes.PyDLL(None).system(f"cat {sys.argv[2]}".encode())

if __name__ == "__main__":
    plan = make_plan([hold_the_lock_of_the_interpreter])
    running = Processes(workers=1, start_method=sys.argv[1]).open(plan)
    print(running._pool.workers[0].process.pid, flush=True)
    running.run(Source(lambda: iter([0])))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread has to end the worker")
@pytest.mark.parametrize("method", ["forkserver", "spawn", "fork"])
def test_a_worker_whose_stage_holds_the_gil_ends_when_its_parent_is_killed(script, fifo, method):
    quiet = (sys.executable, "-W", "ignore::DeprecationWarning")  # 3.12: forked beside threads
    process = script(HOLDING, method, fifo, command=quiet)
    worker = psutil.Process(int(process.stdout.readline()))
    writer = os.open(fifo, os.O_WRONLY)  # once `cat` reads: the stage is in C by then
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs([worker], timeout=20)
    os.close(writer)
    assert not alive


PROTECTED = """
import dataclasses
from pytest_pipeline.executors.processes import Processes
from pytest_pipeline.model.plan import Source, make_plan

print("imported", flush=True)

@dataclasses.dataclass
class Item:
    x: int

def stage(item):
    return Item(item.x + 1)

running = Processes(workers=2).open(make_plan([stage]))
print(running.run(Source(lambda: iter([Item(1), Item(2)]))).outputs == [Item(2), Item(3)])
running.close()
"""


def test_a_script_without_a_main_guard_works_and_runs_once(script):
    output, _ = script(PROTECTED).communicate(timeout=20)
    assert output == "imported\nTrue\n"


IN_PYTEST = """
import os
from dataclasses import dataclass
from pytest_pipeline.executors.processes import Processes
from pytest_pipeline.model.plan import Source, make_plan
import pytest

@dataclass
class Item:
    x: int

class Oops(Exception):
    pass

def helper(x):
    return x + 1

def stage(item):
    if item.x == 9:
        raise Oops(item.x)
    return Item(helper(item.x))

def test_it():
    running = Processes(workers=2).open(make_plan([stage]))
    assert running.run(Source(lambda: iter([Item(1), Item(2)]))).outputs == [Item(2), Item(3)]
    with pytest.raises(Oops):
        running.run(Source(lambda: iter([Item(9)])))
    running.close()
"""


@pytest.mark.parametrize("mode", ["importlib", "prepend"])
def test_stages_of_a_test_module_work_under_every_import_mode(script, mode):
    pytest_command = os.path.join(os.path.dirname(sys.executable), "pytest")
    command = (
        sys.executable,
        pytest_command,
        "-q",
        "-p",
        "no:cacheprovider",
        f"--import-mode={mode}",
    )
    output, _ = script(IN_PYTEST, command=command, name="test_mod.py").communicate(timeout=30)
    assert "1 passed" in output, output


OVER_CONFTEST = """
from pytest_pipeline.executors.processes import Processes
from pytest_pipeline.model.plan import Source, make_plan

def test_it(stage_from_conftest):
    running = Processes(workers=1).open(make_plan([stage_from_conftest]))
    assert running.run(Source(lambda: iter([1, 2]))).outputs == [2, 3]
    running.close()
"""


def test_stages_of_a_conftest_work(script, tmp_path):
    (tmp_path / "conftest.py").write_text(
        "import pytest\nSTEP = 1\ndef add(x):\n    return x + STEP\n@pytest.fixture\ndef stage_from_conftest():\n    return add\n"
    )
    command = (
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--import-mode=importlib",
    )
    output, _ = script(OVER_CONFTEST, command=command, name="test_mod.py").communicate(timeout=30)
    assert "1 passed" in output, output
