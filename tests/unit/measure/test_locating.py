"""A wrong output is followed back to the stage where it begins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from unit.virtual import Lab, speedup

from pytest_pipeline.measure.untimed.locating import MOST_ITEMS
from pytest_pipeline.model.finding import Finding, Reason
from pytest_pipeline.model.plan import Close, Stage


def stage(lab: Lab, name: str, fn: Callable[[Any], Any]) -> Stage:
    def run(item: Any) -> Any:
        lab.machine.work(0.001)
        return fn(item)

    return Stage(run, name=name)


def wrong_in_the_middle(lab: Lab, is_wrong: Callable[[Any], bool]) -> list[Stage]:
    def parse(item: int) -> int:
        return -item if is_wrong(item) and lab.machine.running == "threads" else item

    return [
        stage(lab, "fetch", lambda item: item),
        stage(lab, "parse", parse),
        stage(lab, "store", lambda item: item + 1),
    ]


def finding_of(lab: Lab, stages: list[Stage], items: Any = range(40), **options: Any) -> Finding:
    (finding,) = lab.compare(stages, items, **options).findings
    assert finding.reason is Reason.OUTPUTS_DIFFER
    return finding


def test_the_stage_and_the_item_where_outputs_begin_to_differ_are_named():
    lab = Lab()
    finding = finding_of(lab, wrong_in_the_middle(lab, lambda item: item >= 7))
    assert "output 7 differs: expected 8, got -6" in finding.headline
    assert finding.cause.endswith("outputs differ from stage 'parse' on (item 7)")
    assert any("looking for the stage where threads goes wrong" in text for text in lab.progress)


def test_the_last_stage_is_named_too():
    lab = Lab()
    stages = [*wrong_in_the_middle(lab, lambda _: True)[::2], wrong_in_the_middle(lab, bool)[1]]
    assert "from stage 'parse' on (item 0)" in finding_of(lab, stages).cause


def test_only_the_items_up_to_the_wrong_one_are_executed_again_and_it_keeps_its_index():
    lab = Lab()
    again: list[int] = []

    def is_wrong(item: int) -> bool:
        if lab.threads.executions > 1:
            again.append(item)
        return item == 70

    finding = finding_of(lab, wrong_in_the_middle(lab, is_wrong), range(100))
    assert "from stage 'parse' on (item 70)" in finding.cause
    assert set(again) == set(range(71 - MOST_ITEMS, 71))


def test_what_comes_and_goes_is_called_that():
    lab = Lab()
    stages = wrong_in_the_middle(lab, lambda _: lab.threads.executions == 4)
    finding = finding_of(lab, stages, requirements=[speedup(1.2)])
    assert "items 0 to 1 alone, every stage gave equal outputs" in finding.cause


def test_a_baseline_that_changes_its_mind_is_followed_as_well():
    lab = Lab()

    def draw(item: int) -> tuple[int, int]:
        is_serial = lab.machine.running == "serial"
        return item, lab.serial.executions % 2 if is_serial else 0

    stages = [stage(lab, "fetch", lambda item: item), stage(lab, "draw", draw)]
    finding = finding_of(lab, [*stages, stage(lab, "store", lambda pair: pair)])
    assert "twice and gave other outputs" in finding.cause
    assert finding.cause.endswith("from stage 'draw' on (item 0)")


class Blob:
    """Equal to nothing but itself."""

    def __init__(self, value: int) -> None:
        self.value = value


def test_stages_whose_outputs_cannot_be_compared_are_not_accused():
    lab = Lab()
    stages = [
        stage(lab, "wrap", Blob),
        stage(lab, "read", lambda blob: -blob.value if lab.machine.running == "threads" else 1),
    ]
    assert finding_of(lab, stages).cause == (
        "serial and threads ran the same functions on the same items"
    )


def test_a_stage_that_raises_meanwhile_leaves_the_wrong_output_told():
    lab = Lab()

    def fetch(item: int) -> int:
        if lab.threads.executions > 1:
            raise OSError("the service is gone")
        return item

    stages = [stage(lab, "fetch", fetch), *wrong_in_the_middle(lab, lambda _: True)[1:]]
    finding = finding_of(lab, stages, [3, 4])
    assert finding.cause == "serial and threads ran the same functions on the same items"


def test_a_check_of_ones_own_is_not_asked_about_other_stages():
    lab = Lab()

    def check(expected: int, actual: int) -> None:
        assert expected > 0
        assert expected == actual

    stages = wrong_in_the_middle(lab, lambda _: True)
    assert "again" not in finding_of(lab, stages, [3, 4], check=check).cause


def test_a_declared_tolerance_holds_for_every_stage():
    lab = Lab()

    def drifting(item: float) -> float:
        return item * (1 + 1e-12 * (lab.machine.running == "threads"))

    stages = [stage(lab, "scale", drifting), *wrong_in_the_middle(lab, lambda item: item > 1.5)[1:]]
    finding = finding_of(lab, stages, [1.0, 2.0], check=Close(rtol=1e-9))
    assert "from stage 'parse' on (item 1)" in finding.cause


def test_a_search_longer_than_the_budget_says_nothing():
    lab = Lab()
    stages = [
        Stage(lambda item: lab.machine.work(40.0) or item, name="fetch"),
        *wrong_in_the_middle(lab, lambda _: True)[1:],
    ]
    finding = finding_of(lab, stages, [1, 2], budget_s=30.0)
    assert "again" not in finding.cause


@pytest.mark.parametrize("batch", [4, 48])
def test_batches_are_executed_again_whole(batch):
    lab = Lab()

    def score(items: list[int]) -> list[int]:
        lab.machine.work(0.001)
        is_wrong = lab.machine.running == "threads"
        return [-item if item == 37 and is_wrong else item for item in items]

    stages = [
        stage(lab, "fetch", lambda item: item),
        Stage(score, name="score", batch=batch),
        stage(lab, "store", lambda item: item),
    ]
    assert "from stage 'score' on (item 37)" in finding_of(lab, stages, range(96)).cause
