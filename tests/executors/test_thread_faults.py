"""What a stage may do to the process it shares with the executor, and what must survive it."""

import os
import sys
import threading
import warnings

import pytest

from pytest_pipeline.errors import StageTimeoutError
from pytest_pipeline.executors import _crew
from pytest_pipeline.executors.serial import Serial
from pytest_pipeline.executors.threads import Threads
from pytest_pipeline.model.plan import Stage, make_plan


@pytest.fixture(
    params=[Serial(), Threads(), Threads(layout="shared", workers=3), Threads(chunk=4)],
    ids=["serial", "staged", "shared", "chunks"],
)
def in_process(request, no_thread_left):
    return request.param


class FirstError(Exception):
    pass


class SecondError(Exception):
    pass


@pytest.mark.parametrize(
    "executor", [Threads(), Threads(layout="shared", workers=2)], ids=["staged", "shared"]
)
@pytest.mark.parametrize("width", [1, 2], ids=["in two stages", "in one stage"])
def test_of_two_stages_that_raise_at_once_one_error_arrives_whole(executor, opened, source, width):
    both = threading.Barrier(2)

    def first(x):
        if x == 1:
            both.wait(20)
            raise FirstError(x)
        return x

    def second(x):
        if x == 0:
            both.wait(20)
            raise SecondError(x)
        return x

    def either(x):
        return second(first(x))

    stages = [first, second] if width == 1 else [Stage(either, name="either", workers=2)]
    running = opened(executor, stages)
    for _ in range(20):
        with pytest.raises((FirstError, SecondError)) as caught:
            running.run(source(list(range(10))))
        (item,) = caught.value.args
        name = "either" if width == 2 else ["second", "first"][item]
        assert caught.value.__notes__ == [f"stage {name!r}, item {item}"]
        assert running.run(source([5, 6])).outputs == [5, 6]
    assert running.abandoned == ()


def test_a_hang_in_python_code_ends_in_a_timeout_with_its_stack(in_process, opened, source):
    released = threading.Event()

    def spin(x):
        while x == 2 and not released.is_set():
            pass
        return x

    running = opened(in_process, [spin], timeout_s=0.5)
    with pytest.raises(StageTimeoutError, match="stage 'spin', item 2 has been running") as caught:
        running.run(source(list(range(6))))
    assert "in spin" in str(caught.value)
    (name,) = running.abandoned
    assert name.startswith(f"pipeline-{in_process.name}")
    released.set()
    for member in running._crew._lost:
        member.thread.join(10)
    assert running.abandoned == ()
    assert running.run(source([1, 2])).outputs == [1, 2]


@pytest.mark.parametrize("collects", [False, True])
def test_an_item_in_hand_when_the_time_is_up_goes_no_further(in_process, opened, source, collects):
    released, seen = threading.Event(), []

    def waits(x):
        seen.append(x)
        released.wait()
        return x

    running = opened(in_process, [Stage(waits), lambda x: seen.append("behind")], timeout_s=0.3)
    with pytest.raises(StageTimeoutError):
        running.run(source(list(range(4)), collects_errors=collects))
    begun = list(seen)
    released.set()
    for member in running._crew._lost:
        member.thread.join(10)
    assert running.abandoned == ()
    assert seen == begun


def test_a_thread_that_fails_before_it_begins_says_so_at_once(
    in_process, opened, source, monkeypatch
):
    def fails(modes):
        raise LookupError("no such mode")

    running = opened(in_process, [lambda x: x], timeout_s=5)
    monkeypatch.setattr(_crew, "applied", fails)
    with pytest.raises(LookupError, match="no such mode"):
        running.run(source([1]))
    monkeypatch.undo()
    assert running.run(source([1])).outputs == [1]
    assert running.abandoned == ()


def test_when_no_thread_can_be_started_those_before_it_end(no_thread_left, monkeypatch):
    start, started = threading.Thread.start, []

    def only_two(thread):
        if len(started) == 2:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", only_two)
    with pytest.raises(RuntimeError, match="can't start new thread") as caught:
        Threads().open(make_plan([Stage(lambda x: x, workers=4)]))
    assert "2 of 5 worker threads could be started" in caught.value.__notes__[0]
    assert "next: fewer workers" in caught.value.__notes__[0]
    assert not any(thread.is_alive() for thread in started)


def test_every_hung_worker_is_replaced_however_often_it_happens(opened, source):
    gates = []

    def hang(x):
        gates.append(threading.Event())
        gates[-1].wait()
        return x

    running = opened(Threads(), [Stage(hang, workers=2), lambda x: x], timeout_s=0.3)
    for count in (2, 4, 6):
        with pytest.raises(StageTimeoutError):
            running.run(source([1, 2, 3]))
        assert len(running.abandoned) == count
    for gate in gates:
        gate.set()
    for member in running._crew._lost:
        member.thread.join(10)
    assert running.abandoned == ()


def test_threads_that_a_stage_starts_outlive_the_run(in_process, opened, source):
    released, helpers = threading.Event(), []

    def starts(x):
        helpers.append(threading.Thread(target=released.wait, daemon=True))
        helpers[-1].start()
        return x

    running = opened(in_process, [starts])
    assert running.run(source([1, 2, 3])).outputs == [1, 2, 3]
    assert all(helper.is_alive() for helper in helpers)
    released.set()
    for helper in helpers:
        helper.join(10)
    assert running.run(source([4])).outputs == [4]


def test_a_stage_that_changes_the_directory_changes_it_for_everybody(
    in_process, opened, source, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inner").mkdir()

    def moves(x):
        os.chdir(tmp_path / "inner")
        return x

    running = opened(in_process, [moves])
    assert running.run(source([1, 2])).outputs == [1, 2]
    assert os.getcwd() == str(tmp_path / "inner")
    assert running.run(source([3])).outputs == [3]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_stage_that_forks_gets_its_child_and_the_run_ends(in_process, opened, source):
    def forks(x):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads
            child = os.fork()
        if not child:
            os._exit(x)
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status)

    assert opened(in_process, [forks]).run(source([3, 4])).outputs == [3, 4]


CLOSES = """
import os, sys
from pytest_pipeline.executors.serial import Serial
from pytest_pipeline.executors.threads import Threads
from pytest_pipeline.model.plan import Source, make_plan

def closes(x):
    if x == 1:
        sys.stdout.close()
    return x

for executor in (Serial(), Threads(), Threads(layout="shared"), Threads(chunk=2)):
    running = executor.open(make_plan([closes, closes]))
    for _ in range(2):
        assert running.run(Source(lambda: iter([0, 1, 2]))).outputs == [0, 1, 2]
    running.close()
print("still here", file=sys.stderr)
"""


def test_a_stage_that_closes_stdout_loses_no_output(script):
    output, _ = script(CLOSES).communicate(timeout=60)
    assert output == "still here\n"


CRASHES = """
import ctypes, faulthandler, sys
from pytest_pipeline.executors.threads import Threads
from pytest_pipeline.model.plan import Source, make_plan

def crashes(x):
    return ctypes.string_at(0)

faulthandler.enable()
Threads().open(make_plan([crashes])).run(Source(lambda: iter([0])))
"""


def test_what_kills_the_interpreter_leaves_a_trace_that_names_the_stage(script):
    process = script(CRASHES)
    output, _ = process.communicate(timeout=60)
    assert process.returncode < 0 or sys.platform == "win32"
    assert "in crashes" in output
