"""A stage that raises: the exception says whether concurrency has to do with it, and what to do next."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sqlite3

import pytest
from unit.virtual import Lab

from pytest_pipeline.assembling.ending import finding_of
from pytest_pipeline.comparing import compare
from pytest_pipeline.errors import StageTimeoutError, UsageError, WorkerDiedError
from pytest_pipeline.explain.failures import failure_advice
from pytest_pipeline.model.failures import FailureLog
from pytest_pipeline.model.finding import Reason
from pytest_pipeline.model.plan import Stage
from pytest_pipeline.model.trace import ItemFailure


def raised(lab, stage, items=range(4)):
    with pytest.raises(ValueError, match="bad") as caught:
        lab.compare([Stage(stage, name="parse")], items)
    _, advice = caught.value.__notes__
    (finding,) = lab.partial.findings
    assert advice == f"likely cause: {finding.cause}\nnext: {finding.next_step}"
    return advice


def test_a_stage_that_raises_without_concurrency_says_so():
    def stage(item):
        raise ValueError("bad")

    advice = raised(Lab(), stage)
    assert "serial itself fails: concurrency is not needed for it" in advice
    assert "run stage 'parse' alone on that item; @pytest.mark.error_rate(max=...) counts" in advice


def test_a_stage_that_raises_only_under_threads_is_blamed_on_what_is_shared():
    lab = Lab()

    def stage(item):
        if lab.threads.executions:
            raise ValueError("bad")
        return item

    advice = raised(lab, stage)
    assert "serial had run all the items once without it: it comes with concurrency" in advice
    assert "look for what stage 'parse' shares between items or keeps between executions" in advice


def take_the_loop(item):
    return asyncio.get_event_loop().run_until_complete(asyncio.sleep(0, item))


def handle_signals(item):
    signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    return item


def advice_beside(stage):
    with pytest.raises((sqlite3.Error, RuntimeError, ValueError)) as caught:
        compare([Stage(stage, name="store")], [1, 2], executors=["threads"], mode="off")
    cause, step = caught.value.__notes__[-1].splitlines()
    assert "stages run in threads of their own, those of serial too" in cause
    return step


def test_a_connection_of_the_test_is_told_from_a_stage_that_fails():
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        step = advice_beside(lambda item: connection.execute("select ?", (item,)))
    assert step.startswith("next: connect inside the stage")
    assert step.endswith("or sqlite3.connect(..., check_same_thread=False)")


def test_an_event_loop_of_the_test_is_told_from_a_stage_that_fails():
    assert "asyncio.run(...) inside the stage" in advice_beside(take_the_loop)


def test_a_handler_of_signals_is_told_from_a_stage_that_fails():
    assert "signal.signal in the test itself or in setup=" in advice_beside(handle_signals)


def test_items_that_come_over_a_connection_of_the_test_are_told_where_to_connect():
    error = sqlite3.ProgrammingError("SQLite objects created in a thread can only be used there")
    error.add_note("stage 'source', item 0")
    finding = finding_of(error, "serial", has_run=False)
    assert finding.next_step.startswith("connect inside the callable of the items")


def test_collected_failures_of_what_one_thread_may_use_have_the_same_advice():
    failure = ItemFailure(0, "loop", "RuntimeError: There is no current event loop in thread 'x'.")
    log = FailureLog(first=[failure])
    advice = failure_advice(log, log, "serial")
    assert "stages run in threads of their own" in advice.cause
    assert "asyncio.run" in advice.next_step


def test_our_own_error_in_a_stage_says_its_next_step_itself():
    def stage(item):
        raise UsageError("say this")

    with pytest.raises(UsageError, match="say this") as caught:
        Lab().compare([Stage(stage, name="parse")])
    assert len(caught.value.__notes__) == 1


def test_ctrl_c_gets_no_advice():
    def stage(item):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        Lab().compare([Stage(stage, name="parse")])
    assert not [note for note in getattr(caught.value, "__notes__", ()) if "next:" in note]


@pytest.mark.parametrize(
    ("error", "reason", "seen", "step"),
    [
        (
            StageTimeoutError("no end within 2 s: stage 'parse', item 3\nnext: see below\nstacks"),
            Reason.TIMEOUT,
            "StageTimeoutError: no end within 2 s: stage 'parse', item 3",
            "see below",
        ),
        (
            WorkerDiedError("worker process 7 ended by itself\nnext: use smaller items"),
            Reason.WORKER_DIED,
            "WorkerDiedError: worker process 7 ended by itself",
            "use smaller items",
        ),
        (
            UsageError("fork is not safe here; next: leave start_method out"),
            Reason.STAGE_RAISED,
            "UsageError: fork is not safe here",
            "leave start_method out",
        ),
    ],
)
def test_what_our_own_error_says_to_do_next_stands_in_the_report_and_not_twice(
    error, reason, seen, step
):
    finding = finding_of(error, "serial", has_run=False)
    assert (finding.reason, finding.headline, finding.next_step) == (reason, seen, step)


def test_a_note_on_a_devices_error_says_what_to_do_next():
    error = RuntimeError("CUDA out of memory")
    error.add_note("stage 'blur', item 3")
    error.add_note("out of memory on cuda:0: 4 slots x 1 GB; next: fewer slots, Cuda(slots=3)")
    finding = finding_of(error, "serial", has_run=True)
    assert (
        finding.headline
        == "RuntimeError: CUDA out of memory (stage 'blur', item 3; out of memory on cuda:0: 4 slots x 1 GB)"
    )
    assert finding.next_step == "fewer slots, Cuda(slots=3)"


def test_a_stage_that_says_next_in_its_own_words_is_not_quoted_as_ours():
    error = ValueError("bad token\nnext: token 7")
    error.add_note("stage 'parse', item 3")
    finding = finding_of(error, "serial", has_run=False)
    assert "token 7" not in finding.next_step
