"""What the next execution finds after worker processes died or hung."""

import contextlib
import os
import signal

import numpy as np
import pytest
from stages import identity

from pytest_pipeline.errors import StageTimeoutError, WorkerDiedError
from pytest_pipeline.executors._processes import fleet, runner
from pytest_pipeline.executors._processes.board import Board
from pytest_pipeline.executors._processes.frames import Frame, Kind
from pytest_pipeline.executors._processes.records import Setup
from pytest_pipeline.executors._processes.runner import Runner
from pytest_pipeline.executors._processes.waiting import Waiter
from pytest_pipeline.executors.processes import Processes
from pytest_pipeline.model.plan import Stage

LARGE = 100_000
"""Elements of eight bytes: they travel in slots of shared memory."""


@pytest.fixture
def board():
    with contextlib.closing(Board.create(1)) as one:
        yield one


# --- deaths


def test_a_death_while_its_large_outputs_wait_for_the_next_stage_is_named_and_forgotten(
    opened, source, fifo
):
    def dies(array):
        if array[0] == 12:
            os.kill(os.getpid(), signal.SIGKILL)
        return array

    def stuck(array):
        if array[0] == 0:
            with open(fifo) as pipe:
                pipe.read()
        return array

    running = opened(Processes(layout="staged"), [Stage(dies, name="dies"), stuck])
    with pytest.raises(WorkerDiedError, match="stage 'dies', item 12"):
        running.run(source([np.full(LARGE, k) for k in range(16)]))
    outputs = running.run(source([np.full(LARGE, k) for k in range(100, 120)])).outputs
    assert [int(output[-1]) for output in outputs] == list(range(100, 120))


def test_a_worker_that_was_left_with_an_item_does_not_serve_the_next_execution(opened, source):
    running = opened(Processes(workers=2), [identity])
    left, idle = running._pool.workers
    left.window.append(object())
    assert running.run(source([1, 2, 3])).outputs == [1, 2, 3]
    assert left not in running._pool.workers
    assert idle in running._pool.workers


def test_an_answer_of_an_earlier_execution_is_not_taken_for_one_of_this(opened, source):
    running = opened(Processes(workers=1), [identity])
    (worker,) = running._pool.workers
    worker.channel.send(Frame(Kind.END, 0))  # its report will lie before the answer to BEGIN
    with pytest.raises(WorkerDiedError, match=r"answered REPORT .* to BEGIN 1.*next: run again"):
        running.run(source([1]))
    assert running.run(source([1])).outputs == [1]


# --- time


def test_the_timeout_is_kept_by_an_execution_that_is_never_idle(opened, source, monkeypatch):
    wait = Waiter.wait

    def until_ready(self, timeout_s):
        return wait(self, max(30.0, timeout_s))

    monkeypatch.setattr(Waiter, "wait", until_ready)
    running = opened(Processes(workers=1), [identity], timeout_s=0.2)
    with pytest.raises(StageTimeoutError):
        running.run(source(list(range(100_000))))


def test_a_source_that_raises_ends_the_execution_although_a_stage_hangs(opened, source, fifo):
    def stuck(x):
        with open(fifo) as pipe:
            pipe.read()

    def items():
        yield from range(3)
        raise ValueError("no more")

    running = opened(Processes(workers=1), [stuck], timeout_s=15.0)
    with pytest.raises(ValueError, match="no more"):
        running.run(source(items))


# --- chunks


def test_few_items_in_flight_are_shared_out_among_the_workers(opened, source, fifo):
    def meet(x):
        if x == 0:
            with open(fifo) as pipe:
                pipe.read()
        if x == 2:
            with open(fifo, "w"):
                pass
        return x

    running = opened(Processes(workers=2, chunk=4), [meet], timeout_s=15.0)
    assert running.run(source([0, 1, 2, 3], in_flight=4)).outputs == [0, 1, 2, 3]


def test_items_that_arrive_at_a_rate_travel_one_by_one(opened, source, monkeypatch):
    seen = []

    class Spy(fleet.Packer):
        def __init__(self, *args, chunk, **kwargs):
            seen.append(chunk)
            super().__init__(*args, chunk=chunk, **kwargs)

    monkeypatch.setattr(fleet, "Packer", Spy)
    running = opened(Processes(workers=2, chunk=8), [identity])
    running.run(source(list(range(20)), offsets_ns=(0,) * 20))
    running.run(source(list(range(20))))
    assert seen[-2:] == [1, 8]  # before them the runs without items


@pytest.mark.parametrize("ending", [ValueError, SystemExit])
def test_what_ends_a_chunk_keeps_its_other_items_from_running(opened, source, tmp_path, ending):
    ran = tmp_path / "ran"

    def stage(x):
        with open(ran, "a") as file:
            file.write(f"{x} ")
        if x == 2:
            raise ending(x)
        return x

    running = opened(Processes(workers=1, chunk=8), [stage, stage])
    (worker,) = running._pool.workers
    with pytest.raises(ending):
        running.run(source(list(range(8)), collects_errors=ending is SystemExit))
    assert ran.read_text() == "0 1 2 "
    running._pool.fill()
    assert running._pool.workers == [worker]  # known to be idle: nothing to drain, nothing to kill


# --- bookkeeping


def test_the_answer_of_a_slow_chunk_is_not_held_back_for_the_next(monkeypatch, board):
    now = [0]
    monkeypatch.setattr(runner, "perf_counter_ns", lambda: now[0])

    def slow(x):
        now[0] += 10_000_000
        return x

    worker = Runner(board, Setup(0, 1, board.file, None, (0, 1)))
    worker.load([slow])
    worker.begin(collects_errors=False)
    worker.chunk([1, 2], 0)
    assert worker.slowest_ns == 20_000_000


class Whole(list):
    """Values that are never copied in part."""

    def __getitem__(self, index):
        assert not isinstance(index, slice)
        return super().__getitem__(index)


def test_a_chunk_whose_items_fail_one_after_the_other_is_not_copied_at_each(board):
    def fails_often(x):
        if x % 3:
            raise ValueError(x)
        return -x

    worker = Runner(board, Setup(0, 1, board.file, None, (0, 1)))
    worker.load([fails_often])
    worker.begin(collects_errors=True)
    runs, failures = worker.chunk(Whole(range(30)), 100)
    assert runs == [(100 + x, [-x]) for x in range(0, 30, 3)]
    assert [(item, str(error)) for item, _, error in failures] == [
        (100 + x, str(x)) for x in range(30) if x % 3
    ]


def test_the_same_arm_with_other_workers_keeps_what_it_was_configured_with():
    fused = Processes("many", 2, "spawn", chunk=8, view=True).with_workers(3)
    assert repr(fused) == repr(Processes("many", 3, "spawn", chunk=8, view=True))
    staged = Processes("many", layout="staged", chunk=8)
    assert repr(staged.with_workers(3)) == repr(staged)
