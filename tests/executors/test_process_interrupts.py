"""Ctrl-C, once or again, at the worst moments of the caller of worker processes: none is left, nothing is lost."""

import os
import signal

import numpy as np
import psutil
import pytest
from stages import identity

from pytest_pipeline.executors._processes import poolworker
from pytest_pipeline.executors._processes.channel import Channel
from pytest_pipeline.executors._processes.frames import Kind
from pytest_pipeline.executors._processes.lanes import Lane
from pytest_pipeline.executors._processes.slots import SLOTS
from pytest_pipeline.executors._processes.waiting import Waiter
from pytest_pipeline.executors.processes import Processes

LARGE = 100_000
"""Elements of eight bytes: they travel in slots of shared memory."""


def interrupted(*_args, **_kwargs):
    raise KeyboardInterrupt


def processes_of(running):
    return [psutil.Process(worker.process.pid) for worker in running._pool.workers]


def have_ended(processes):
    """Tell whether all of them are gone soon; those that are not would keep the interpreter from its end."""
    _, alive = psutil.wait_procs(processes, timeout=20)
    for process in alive:
        process.kill()
    return not alive


# --- while workers are ended


def test_ctrl_c_while_closing_leaves_no_worker(opened, monkeypatch):
    running = opened(Processes(workers=2), [identity])
    workers = [worker.process for worker in running._pool.workers]
    pids = [process.pid for process in workers]

    def interrupted_once(timeout=None):
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(workers[0], "join", interrupted_once)
    with pytest.raises(KeyboardInterrupt):
        running.close()
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert running._wake.fileno() == -1


def test_ctrl_c_before_the_workers_are_told_to_close_leaves_none(opened, monkeypatch):
    running = opened(Processes(workers=2), [identity])
    processes = processes_of(running)
    monkeypatch.setattr(Channel, "send", interrupted)
    with pytest.raises(KeyboardInterrupt):
        running.close()
    assert have_ended(processes)


def test_every_further_ctrl_c_while_closing_ends_one_wait_and_spares_no_worker(opened, monkeypatch):
    running = opened(Processes(workers=3), [identity])
    processes = processes_of(running)
    for worker, process in zip(running._pool.workers, processes, strict=True):
        process.suspend()  # as good as hung: it does not end when told to
        monkeypatch.setattr(worker.process, "join", interrupted)
    with pytest.raises(KeyboardInterrupt):
        running.close()
    assert have_ended(processes)


def test_a_second_ctrl_c_while_a_hung_worker_is_killed_does_not_spare_it(
    opened, source, fifo, monkeypatch
):
    def hang(x):
        with open(fifo):
            pass

    running = opened(Processes(workers=1), [hang])
    processes = processes_of(running)
    monkeypatch.setattr(Waiter, "wait", interrupted)
    monkeypatch.setattr(poolworker, "_started_by", interrupted)
    with pytest.raises(KeyboardInterrupt):
        running.run(source([1]))
    monkeypatch.undo()
    assert have_ended(processes)


def test_ctrl_c_that_reaches_a_worker_as_well_changes_nothing_there(opened, source):
    def interrupt_itself(x):
        os.kill(os.getpid(), signal.SIGINT)
        return os.getpid()

    running = opened(Processes(workers=1), [interrupt_itself])
    (process,) = processes_of(running)
    assert running.run(source([1, 2])).outputs == [process.pid] * 2


# --- while outputs are taken


def test_ctrl_c_while_an_output_is_passed_on_gives_its_memory_back(opened, source, monkeypatch):
    running = opened(Processes(layout="staged"), [identity, identity])
    first = running._pool.workers[0]
    post = Channel.post

    def interrupted(self, frame):
        if frame.kind is Kind.ITEM and not frame.stamps[0]:  # it was pickled elsewhere
            raise KeyboardInterrupt
        post(self, frame)

    monkeypatch.setattr(Channel, "post", interrupted)
    with pytest.raises(KeyboardInterrupt):
        running.run(source([np.zeros(LARGE)]))
    monkeypatch.undo()
    assert first in running._pool.workers
    assert set(first._room.flags[: 2 * SLOTS]) == {0}
    assert len(running.run(source([np.zeros(LARGE)])).outputs) == 1


def test_ctrl_c_while_an_output_is_taken_in_gives_its_memory_back(opened, source, monkeypatch):
    running = opened(Processes(layout="staged"), [identity, identity])
    first = running._pool.workers[0]

    monkeypatch.setattr(Lane, "take_over", interrupted)
    with pytest.raises(KeyboardInterrupt):
        running.run(source([np.zeros(LARGE)]))
    monkeypatch.undo()
    assert first in running._pool.workers
    assert set(first._room.flags[: 2 * SLOTS]) == {0}
