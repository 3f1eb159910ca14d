"""Fixtures of the executor tests: every executor, opened plans, leak checks, a watchdog."""

import faulthandler
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key

from pytest_pipeline.executors.batches import open_plan
from pytest_pipeline.executors.cuda import Cuda, CudaSerial
from pytest_pipeline.executors.processes import Processes
from pytest_pipeline.executors.serial import Serial
from pytest_pipeline.executors.threads import Threads
from pytest_pipeline.model.plan import Source, make_plan

sys.path.insert(0, str(Path(__file__).parent))  # for `stages`, `sim_plans`

ROOT = Path(__file__).resolve().parents[2]
WATCHDOG_S = 120

EXECUTORS = {
    "serial": Serial(),
    "threads": Threads(),
    "threads-shared": Threads(layout="shared"),
    "processes": Processes(workers=2),
    "processes-staged": Processes(layout="staged"),
    "cuda-stand-in": Cuda(devices=["cpu:0"]),
    "cuda-replicas": Cuda(devices=["cpu:0", "cpu:1"]),
    "cuda-serial": CudaSerial(devices=["cpu:0"]),
}


@pytest.fixture(autouse=True)
def watchdog(request):
    """A hang dumps all the stacks and ends the session instead of blocking it for ever."""
    seconds = WATCHDOG_S + float(os.environ.get("PIPELINE_STRESS_S", "0")) * 2
    stderr = request.config.stash.get(fault_handler_stderr_fd_key, 2)
    faulthandler.dump_traceback_later(seconds, exit=True, file=stderr)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture(autouse=True)
def no_thread_left():
    """Every thread that the test started is gone when it is over (and its executors are closed)."""
    before = set(threading.enumerate())  # control kernels of earlier comparisons stay up on purpose
    yield
    new = set(threading.enumerate()) - before
    assert not [thread.name for thread in new if thread.name.startswith("pipeline-")]


@pytest.fixture(params=list(EXECUTORS))
def executor(request, no_thread_left):
    return EXECUTORS[request.param]


@pytest.fixture(params=[name for name in EXECUTORS if name != "serial"])
def parallel(request, no_thread_left):
    return EXECUTORS[request.param]


@pytest.fixture
def opened(no_thread_left):
    """Open a plan; closed when the test is over."""
    running = []

    def open_(executor, stages, *, timeout_s=30.0):
        running.append(open_plan(executor, make_plan(stages, timeout_s=timeout_s)))
        return running[-1]

    yield open_
    for one in running:
        one.close()


@pytest.fixture
def source():
    """Make a source over a list, or over a callable."""

    def make(items, **kwargs):
        if callable(items):
            return Source(items, is_timed=True, **kwargs)
        return Source(lambda: iter(items), **kwargs)

    return make


@pytest.fixture
def fifo(tmp_path):
    """A named pipe: opening it for reading blocks, in any thread or process, until it is opened for writing."""
    path = tmp_path / "gate"
    os.mkfifo(path)
    return str(path)


@pytest.fixture
def script(tmp_path):
    """Start a Python script in a process of its own."""
    started = []

    def start(text, *arguments, command=(sys.executable,), name="script.py"):
        path = tmp_path / name
        path.write_text(textwrap.dedent(text))
        environ = dict(os.environ, PYTHONPATH=str(ROOT), PYTHONWARNINGS="default")
        process = subprocess.Popen(
            [*command, str(path), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environ,
            cwd=tmp_path,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture(params=["list", "callable"])
def items(request):
    """Make the argument of `source`: a list, or a callable that yields it."""

    def make(count):
        return list(range(count)) if request.param == "list" else lambda: iter(range(count))

    return make
