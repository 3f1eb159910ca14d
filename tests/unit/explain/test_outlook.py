"""What is said about the ceiling before anything is measured."""

from __future__ import annotations

from unit.virtual import Lab, speedup

from pytest_pipeline.model.finding import Verdict


def first_word_on_threads(lab: Lab, limit: float, **options) -> str:
    lab.compare(requirements=[speedup(limit)], **options)
    before_rounds = lab.progress[: next(k for k, t in enumerate(lab.progress) if "round" in t)]
    return next(text for text in before_rounds if text.startswith("threads: asks"))


def test_more_than_the_plan_can_reach_is_said_before_the_rounds_with_number_and_stage():
    assert first_word_on_threads(Lab(), 3.0) == (
        "threads: asks 3.00x, this plan reaches at most 1.95x "
        "(stage 'parse', 1 worker, 2.0 of 4.0 ms per item)"
    )


def test_a_plan_that_can_reach_it_is_announced_as_such():
    assert "this plan can reach 1.95x" in first_word_on_threads(Lab(), 1.5)


def test_a_run_of_few_items_is_told_what_a_longer_one_reaches():
    lab = Lab()
    stages = [lab.stage("load", 0.002), lab.stage("store", 0.002)]
    assert first_word_on_threads(lab, 1.9, stages=stages, items=range(4)) == (
        "threads: asks 1.90x, this plan reaches at most 1.60x "
        "(stage 'load', 1 worker, 2.0 of 4.0 ms per item; with 10 times as many items 1.95x)"
    )


def test_stages_of_microseconds_are_told_in_microseconds():
    lab = Lab()
    stages = [lab.stage("load", 2e-5), lab.stage("clean", 2e-5), lab.stage("store", 1e-5)]
    assert first_word_on_threads(lab, 3.0, stages=stages).endswith(
        "(stage 'load', 1 worker, 20.0 of 50.0 us per item)"
    )


def test_the_gil_is_named_when_it_is_what_holds_the_plan():
    text = first_word_on_threads(Lab(cpu_share=1.0), 1.8)
    assert "at most 1.00x (the GIL lets one thread compute at a time; without it 1." in text


def test_the_cores_are_named_when_they_are_what_holds_the_plan():
    lab = Lab(cpu_share=1.0, gil_shares=None)
    text = first_word_on_threads(lab, 3.0, stages=lab.stages(workers=2))
    assert "at most 1.9" in text
    assert "(2 usable cores)" in text


def test_a_quota_of_one_core_and_a_half_gives_the_time_of_one_and_a_half():
    lab = Lab(cpu_share=1.0, gil_shares=None, quota=1.5)
    text = first_word_on_threads(lab, 3.0, stages=lab.stages(workers=2))
    assert "at most 1.4" in text
    assert "(1.5 usable cores)" in text


def test_the_ceiling_explains_and_never_decides():
    lab = Lab(cpu_share=1.0)  # a wrong ceiling: the virtual threads overlap, GIL or not
    (finding,) = lab.compare(requirements=[speedup(1.8)]).findings
    assert finding.verdict is Verdict.MET


def test_the_ceilings_stand_in_the_result_and_beside_the_running_rounds():
    lab = Lab()
    result = lab.compare(requirements=[speedup(3.0)])
    (sentence,) = result.notes["ceilings"]
    assert any(text.startswith("round") and sentence in text for text in lab.progress)


def test_without_a_gate_on_the_speedup_nothing_is_said():
    assert Lab().compare().notes["ceilings"] == []
