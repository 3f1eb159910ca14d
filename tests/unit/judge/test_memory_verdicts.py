"""What a user is told about memory: the largest of several executions, two of which must agree on a miss."""

from __future__ import annotations

from dataclasses import replace

import pytest
from unit.virtual import Lab, peak_memory

from pytest_pipeline.measure.system.heap import hidden_memory
from pytest_pipeline.model.finding import Reason, Verdict
from pytest_pipeline.model.plan import Stage

MB = 10**6


def holds(lab: Lab, amounts):
    """Return a stage that holds the next of `amounts` for a moment in each sampled execution of threads."""
    script = iter(amounts)
    state = {"execution": -1, "bytes": 0}

    def stage(item):
        lab.machine.work(0.2)
        if lab.machine.running == "threads" and lab.is_sampling:
            if state["execution"] != lab.threads.executions:
                state.update(execution=lab.threads.executions, bytes=next(script))
            lab.machine.hold(state["bytes"])
        return item

    return [Stage(stage, name="decode", queue_size=8)]


class MemoryLab(Lab):
    """Knows from the progress line when memory is sampled; the execution before the first reading is not."""

    @property
    def is_sampling(self) -> bool:
        return self.progress[-1] == "sampling memory" and self.threads.opened > self.opened_before

    opened_before = 1


def verdict_for(amounts, limit, **options):
    lab = MemoryLab()
    result = lab.compare(
        holds(lab, amounts), range(2), requirements=[peak_memory(limit, **options)]
    )
    return result, result.findings[0]


def test_three_executions_within_the_limit_meet_it():
    result, finding = verdict_for([80 * MB, 96 * MB, 90 * MB], 100 * MB)
    assert finding.verdict is Verdict.MET
    assert (
        finding.headline
        == "peak memory 96.0 MB <= 100 MB (threads; largest of 3 executions, PSS every 10.0 ms)"
    )
    assert result["threads"].peak_memory_bytes == 96 * MB
    assert result["serial"].peak_memory_bytes == 0


def test_the_tolerance_is_part_of_the_message():
    _, finding = verdict_for([80 * MB, 104 * MB, 90 * MB], 100 * MB)
    assert finding.verdict is Verdict.MET
    assert finding.headline.startswith("peak memory 104 MB, within 5 % of 100 MB (threads; ")


def test_two_executions_above_the_limit_miss_it_with_items_in_flight_as_cause():
    _, finding = verdict_for([150 * MB, 140 * MB], 100 * MB)
    assert (finding.verdict, finding.reason) == (Verdict.MISSED, Reason.NONE)
    assert finding.headline.startswith(
        "peak memory 150 MB > 100 MB (threads; largest of 2 executions"
    )
    assert finding.cause == (
        "up to 9 items are inside at once: 8 in queues, 1 in workers; "
        "the baseline, one item at a time, takes 0 B"
    )
    assert "queue_size for stage 'decode'" in finding.next_step


def test_one_execution_above_is_looked_at_again_before_a_miss():
    _, finding = verdict_for([90 * MB, 150 * MB, 90 * MB, 120 * MB], 100 * MB)
    assert finding.verdict is Verdict.MISSED
    assert finding.clean_rounds == 4


def test_one_execution_of_five_above_is_neither_met_nor_missed():
    _, finding = verdict_for([90 * MB, 150 * MB, 90 * MB, 90 * MB, 90 * MB], 100 * MB)
    assert (finding.verdict, finding.reason) == (Verdict.INCONCLUSIVE, Reason.CONFIRM_DISAGREED)
    assert finding.evidence == ("one of 5 executions exceeded the limit, the others did not",)
    assert "150 MB" in finding.headline


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        (80 * MB, (Verdict.INCONCLUSIVE, Reason.CAPACITY)),
        (150 * MB, (Verdict.MISSED, Reason.NONE)),
    ],
)
def test_where_the_heap_hides_memory_a_limit_can_be_missed_and_never_met(held, expected):
    lab = MemoryLab()
    read = lab.machine._memory_during

    def read_too_little(execute):
        result, reading = read(execute)
        return result, replace(reading, hidden="the heap keeps freed memory")

    lab.machine._memory_during = read_too_little
    stages = holds(lab, [held] * 3)
    (finding,) = lab.compare(stages, range(2), requirements=[peak_memory(100 * MB)]).findings
    assert (finding.verdict, finding.reason) == expected
    assert ("the heap keeps freed memory" in finding.text) == (held < 100 * MB)


def test_memory_that_the_heap_hides_is_to_be_decided_on_a_build_with_the_gil(monkeypatch):
    monkeypatch.setattr("sysconfig.get_config_var", lambda _: True)
    why = hidden_memory()
    lab = MemoryLab()
    read = lab.machine._memory_during

    def read_too_little(execute):
        result, reading = read(execute)
        return result, replace(reading, hidden=why)

    lab.machine._memory_during = read_too_little
    stages = holds(lab, [80 * MB] * 3)
    (finding,) = lab.compare(stages, range(2), requirements=[peak_memory(100 * MB)]).findings
    assert finding.next_step == "decide this gate on a build with the GIL"
    assert finding.text.count("next: ") == 1


def test_a_build_without_the_gil_says_that_its_heap_hides_memory(monkeypatch):
    for is_free_threaded in (True, False):
        monkeypatch.setattr("sysconfig.get_config_var", lambda name: is_free_threaded)  # noqa: B023
        assert bool(hidden_memory()) == is_free_threaded


def test_a_busy_machine_changes_nothing():
    lab = MemoryLab(neighbour=lambda now_s: 3.0)
    stages = holds(lab, [150 * MB, 150 * MB])
    (finding,) = lab.compare(
        stages, range(2), requirements=[peak_memory(100 * MB)], budget_s=2
    ).findings
    assert finding.verdict is Verdict.MISSED


def test_workers_are_fresh_for_every_reading():
    lab = MemoryLab()
    lab.compare(holds(lab, [1, 1, 1]), range(2), requirements=[peak_memory(100 * MB)])
    assert lab.threads.opened == 1 + 3


def test_without_a_gate_nothing_is_sampled():
    lab = MemoryLab()
    result = lab.compare(holds(lab, []), range(2))
    assert result["threads"].peak_memory_bytes is None
    assert "sampling memory" not in lab.progress


def test_a_budget_that_cannot_hold_the_executions_is_invalid_with_the_seconds():
    lab = MemoryLab()
    stages = holds(lab, [1, 1, 1])
    (finding,) = lab.compare(
        stages, range(50), requirements=[peak_memory(100 * MB)], budget_s=1
    ).findings
    assert (finding.verdict, finding.reason) == (Verdict.INVALID, Reason.BUDGET)
    assert "peak memory needs 4 executions: 40 s" in finding.text
    assert finding.next_step == 'use fewer items, or @pytest.mark.measure(budget="20s")'


@pytest.mark.parametrize("amounts", [[0, 0, 0]])
def test_a_plan_that_takes_nothing_is_shown_as_nothing(amounts):
    _, finding = verdict_for(amounts, 100 * MB)
    assert finding.headline.startswith("peak memory 0 B <= 100 MB")


def test_a_serial_loop_is_not_told_how_many_items_its_queues_hold():
    lab = Lab()

    def stage(item):
        lab.machine.hold(150 * MB)
        return item

    (finding,) = lab.compare(
        [stage, lab.stage("store", 0.1)],
        range(2),
        requirements=[peak_memory(100 * MB, executor="serial")],
    ).findings
    assert finding.verdict is Verdict.MISSED
    assert finding.cause.startswith("the baseline runs one item at a time")
    assert "in queues" not in finding.text
