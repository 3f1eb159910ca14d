"""Ctrl-C at the worst moments of the calling thread: the workers are told to stop all the same."""

from queue import SimpleQueue

import pytest

from pytest_pipeline.executors._crew import Crew, Watch
from pytest_pipeline.executors._run import Run, TimedOutError

FAR_S = 60.0


@pytest.fixture
def crew(no_thread_left):
    crew = Crew(["pipeline-interrupted"])
    yield crew
    crew.close()


@pytest.fixture
def interrupted_once():
    """Raise KeyboardInterrupt at the first call only."""
    presses = [KeyboardInterrupt]

    def press():
        if presses:
            raise presses.pop()

    return press


def times_out(_deadline):
    raise TimedOutError


def interrupts(_deadline=None):
    raise KeyboardInterrupt


def works_on(crew):
    """Tell whether the next run finds its worker."""
    run, done = Run(collects_errors=False), SimpleQueue()
    crew.execute(run, [lambda: done.put(1)], FAR_S, lambda _: done.get() and run.end(), Watch)
    return crew.abandoned == ()


def test_ctrl_c_while_a_timeout_is_explained_leaves_no_worker_behind(crew):
    run = Run(collects_errors=False)
    with pytest.raises(KeyboardInterrupt):
        crew.execute(run, [run.wait_over], FAR_S, times_out, interrupts)
    assert crew.abandoned == ()
    assert works_on(crew)


def test_a_second_ctrl_c_while_the_workers_are_told_leaves_no_worker_behind(crew, interrupted_once):
    run, over = Run(collects_errors=False), SimpleQueue()
    run.on_stop(interrupted_once)
    run.on_stop(lambda: over.put(None))
    with pytest.raises(KeyboardInterrupt):
        crew.execute(run, [over.get], FAR_S, interrupts, Watch)
    assert crew.abandoned == ()
    assert works_on(crew)


class NeverFails(Run):
    """A run whose failure slot Ctrl-C keeps from being filled."""

    def fail(self, error, stage=None, item=None):
        raise KeyboardInterrupt


def test_a_second_ctrl_c_before_the_failure_is_noted_leaves_no_worker_behind(crew):
    run = NeverFails(collects_errors=False)
    with pytest.raises(KeyboardInterrupt):
        crew.execute(run, [run.wait_over], FAR_S, interrupts, Watch)
    assert run.failed
    assert crew.abandoned == ()
    assert works_on(crew)


def test_ctrl_c_while_a_complete_run_is_ended_does_not_call_it_failed(interrupted_once):
    run, over = Run(collects_errors=False), SimpleQueue()
    run.on_stop(interrupted_once)
    run.on_stop(lambda: over.put(None))
    with pytest.raises(KeyboardInterrupt):
        run.end()
    run.make_over()
    assert not over.empty()
    assert not run.failed
