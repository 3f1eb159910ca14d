"""A stage that raises: the exception says whether concurrency has to do with it, and what to do next."""

from __future__ import annotations

import pytest
from unit.virtual import Lab

from pytest_pipeline.assembling.ending import finding_of
from pytest_pipeline.errors import StageTimeoutError, UsageError, WorkerDiedError
from pytest_pipeline.model.finding import Reason
from pytest_pipeline.model.plan import Stage


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
