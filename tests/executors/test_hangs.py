"""A stage that hangs, in whatever way, ends in a timeout that names it, and the next run works."""

import re
import threading
import time

import pytest

from pytest_pipeline.errors import StageTimeoutError
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
