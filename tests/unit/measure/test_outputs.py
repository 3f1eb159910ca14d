"""Wrong results are found before any speed is looked at."""

from __future__ import annotations

from dataclasses import replace

import pytest
from unit.virtual import Lab, alter_traces, speedup

from pytest_pipeline.comparing import compare
from pytest_pipeline.errors import UsageError
from pytest_pipeline.executors.processes import Processes
from pytest_pipeline.model.finding import Reason, Verdict
from pytest_pipeline.model.plan import Close, Stage


def differs_under_threads(lab: Lab, wrong):
    def score(item):
        lab.machine.work(0.001)
        return wrong(item) if lab.machine.running == "threads" else float(item)

    return [lab.stage("fetch", 0.001), Stage(score, name="score")]


def test_an_output_that_differs_fails_with_the_first_index_and_both_values():
    lab = Lab()
    stages = differs_under_threads(lab, lambda item: item + 1.0 if item >= 7 else float(item))
    result = lab.compare(stages, requirements=[speedup(1.5)])
    (finding,) = result.findings
    assert (finding.verdict, finding.reason) == (Verdict.INVALID, Reason.OUTPUTS_DIFFER)
    assert "output 7 differs: expected 7.0, got 8.0" in finding.headline
    assert not result.rounds


def test_a_wrong_result_fails_without_any_gate():
    lab = Lab()
    (finding,) = lab.compare(differs_under_threads(lab, lambda item: -1.0)).findings
    assert finding.verdict is Verdict.INVALID


def test_floats_that_differ_in_the_last_bits_name_the_tolerance_to_declare():
    lab = Lab()
    stages = differs_under_threads(lab, lambda item: item * (1 + 1e-12))
    (finding,) = lab.compare(stages).findings
    assert "declare check=Close(rtol=1e-11)" in finding.headline


@pytest.mark.parametrize("arm", ["serial", "threads"], ids=["baseline", "candidate"])
def test_the_order_of_sets_is_a_suspect_where_worker_processes_are_compared(arm):
    lab = Lab()
    stages = differs_under_threads(lab, lambda item: -1.0)
    (finding,) = lab.compare(stages).findings
    assert "PYTHONHASHSEED" not in finding.next_step
    getattr(lab, arm).ships_stages = True
    (finding,) = lab.compare(stages).findings
    assert finding.next_step.startswith("look for state that stages share")
    assert finding.next_step.endswith("sort it, or set PYTHONHASHSEED")


def test_items_that_the_first_execution_uses_up_are_named_with_the_way_out():
    lab = Lab()
    items = [(each for each in (1, 2)), (each for each in (3,))]
    (finding,) = lab.compare([lab.stage("fetch", 0.001), Stage(sum, name="add")], items).findings
    assert finding.reason is Reason.OUTPUTS_DIFFER
    assert "output 0 differs: expected 3, got 0" in finding.headline
    assert finding.next_step.startswith("an item that is an iterator or an open file is used up")


def test_a_declared_tolerance_accepts_them():
    lab = Lab()
    stages = differs_under_threads(lab, lambda item: item * (1 + 1e-12))
    result = lab.compare(stages, check=Close(rtol=1e-9))
    assert not result.findings
    assert "rtol=1e-09" in result.check


def test_an_output_that_goes_wrong_only_later_is_still_found():
    lab = Lab()
    stages = differs_under_threads(
        lab, lambda item: -1.0 if lab.threads.executions > 3 else float(item)
    )
    (finding,) = lab.compare(stages, requirements=[speedup(1.2)]).findings
    assert (finding.verdict, finding.executor) == (Verdict.INVALID, "threads")


def test_without_a_check_the_result_says_that_outputs_were_not_compared():
    lab = Lab()
    result = lab.compare(differs_under_threads(lab, lambda item: -1.0), check=None)
    assert result.check == "outputs not compared"
    assert not result.findings


def test_a_check_of_ones_own_decides():
    lab = Lab()

    def same_sign(expected, actual):
        assert (expected < 0) == (actual < 0), "sign differs"

    result = lab.compare(differs_under_threads(lab, lambda item: -5.0), check=same_sign)
    assert "output 0 differs: sign differs" in result.findings[0].headline


def test_an_unknown_check_is_refused():
    with pytest.raises(UsageError, match="check='same'"):
        Lab().compare(check="same")


def test_a_stage_that_modifies_an_item_in_place_is_named_with_the_item():
    lab = Lab()

    def normalise(row):
        lab.machine.work(0.001)
        if row[0] == 3:
            row.append("seen")
        return len(row)

    stages = [lab.stage("fetch", 0.001), Stage(normalise, name="normalise")]
    result = lab.compare(stages, [[i] for i in range(10)], requirements=[speedup(1.2)])
    finding = result.findings[0]
    assert (finding.verdict, finding.reason) == (Verdict.INVALID, Reason.ITEMS_MODIFIED)
    assert "stage 'normalise' modified item 3" in finding.headline
    assert "pass a callable" in finding.headline


def test_fresh_items_from_a_callable_may_be_modified():
    lab = Lab()

    def normalise(row):
        lab.machine.work(0.001)
        row.append("seen")
        return len(row)

    stages = [lab.stage("fetch", 0.001), Stage(normalise, name="normalise")]
    result = lab.compare(stages, lambda: ([i] for i in range(10)))
    assert not result.findings


def test_the_outputs_are_the_baselines_in_input_order():
    lab = Lab()
    assert lab.compare(items=list("abc")).outputs == ["a", "b", "c"]


def append_seen(row: list) -> int:
    row.append("seen")
    return len(row)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_baseline_of_worker_processes_is_not_asked_which_stage_modified_an_item(workers):
    baseline = Processes(workers=workers)
    result = compare([append_seen], [[1], [2]], baseline=baseline, executors=["serial"], mode="off")
    (finding,) = result.findings
    assert finding.reason is Reason.ITEMS_MODIFIED
    assert "a stage under serial modified item 0" in finding.headline


def test_an_arm_that_drops_items_is_wrong_even_where_outputs_are_not_compared():
    lab = Lab()
    alter_traces(
        lab.threads, lambda trace: replace(trace, outputs=trace.outputs[: len(trace.outputs) // 2])
    )
    (finding,) = lab.compare(requirements=[speedup(1.5)], check=None).findings
    assert (finding.verdict, finding.reason) == (Verdict.INVALID, Reason.OUTPUTS_DIFFER)
    assert "20 outputs instead of 40" in finding.text


class Table:
    """Compares element by element, and has no truth of its own."""

    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        return Cells()

    __hash__ = None


class Cells:
    def __bool__(self):
        raise TypeError("the truth value of a table is ambiguous")


class Frame(Table):
    def equals(self, other):
        return self.value == other.value


def test_outputs_without_a_single_answer_to_equality_are_asked_with_equals():
    lab = Lab()
    same = [lab.stage("fetch", 0.001), Stage(Frame, name="score")]
    assert (
        lab.compare(same, requirements=[speedup(1.01)]).findings[0].reason
        is not Reason.STAGE_RAISED
    )
    other = differs_under_threads(lab, Frame)
    other[1] = Stage(lambda item: Frame((item, lab.machine.running)), name="score")
    assert lab.compare(other).findings[0].reason is Reason.OUTPUTS_DIFFER


def test_outputs_that_cannot_be_compared_say_so_and_what_to_pass():
    lab = Lab()
    (finding,) = lab.compare([lab.stage("fetch", 0.001), Stage(Table, name="score")]).findings
    assert finding.reason is Reason.OUTPUTS_DIFFER
    assert "outputs of type Table cannot be compared with ==" in finding.text
    assert "pass check=" in finding.text


class Reading:
    """A class of a user that says nothing about equality."""

    def __init__(self, value: float) -> None:
        self.value = value


def test_outputs_of_a_class_without_equality_say_what_to_define_or_to_pass():
    lab = Lab()
    (finding,) = lab.compare([Stage(Reading, name="read")]).findings
    assert "Reading has no __eq__" in finding.headline
    assert "pass check=" in finding.headline


@pytest.mark.parametrize("values", [(Reason.BUSY, Reason.TRACED), (int, float), (len, sum)])
def test_values_that_are_one_of_a_kind_really_differ(values):
    lab = Lab()
    stages = [Stage(lambda _: values[lab.machine.running == "threads"], name="choose")]
    (finding,) = lab.compare(stages).findings
    assert "no __eq__" not in finding.headline
