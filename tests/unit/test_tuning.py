"""`tune` on virtual time: what a user is proposed, what was measured for it, and when the search ends."""

from __future__ import annotations

from typing import Any

import pytest
from unit.virtual import Lab, Notes

from pytest_pipeline.errors import UsageError
from pytest_pipeline.explain.tuned import choose
from pytest_pipeline.model.change import Change
from pytest_pipeline.model.estimate import Estimate
from pytest_pipeline.model.plan import Stage
from pytest_pipeline.model.tuning import Tried, Tuning
from pytest_pipeline.testing import VirtualExecutor
from pytest_pipeline.tuning import tune


def tuned(lab: Lab | None = None, stages: Any = None, **options: Any) -> Tuning:
    lab = lab or Lab(cores=8.0)
    options = {"executors": [lab.threads], "most_workers": 8, "budget_s": 60.0} | options
    return tune(
        stages or lab.stages(), range(40), baseline=lab.serial, machine=lab.machine, **options
    )


def test_workers_go_where_the_time_is_and_the_proposal_was_measured():
    made = tuned()
    # 1 + 2 + 1 ms: even with one worker for each millisecond, twice of that with eight.
    assert made.best.change.workers == {"fetch": 2, "parse": 4, "store": 2}
    assert (
        made.best.code
        == "Stage(fetch, workers=2), Stage(parse, workers=4), Stage(store, workers=2)"
    )
    assert made.best.speedup.value == pytest.approx(made.best.predicted_speedup, rel=0.05)
    assert made.best.speedup.lower > 1.0
    assert made.is_complete
    assert "5 % faster than the fastest one measured" in made.reason


def test_everything_tried_is_recorded_with_its_prediction_measured_or_not():
    made = tuned()
    assert made.tried[0] is made.start
    assert made.start.predicted_speedup == 1.0
    assert {each.speedup is None for each in made.tried[1:]} == {True, False}
    assert all(each.predicted_speedup for each in made.tried)
    assert made.num_predicted >= len(made.tried)
    frame = made.to_frame()
    assert list(frame["setting"])[0] == "as declared"
    assert len(frame) == len(made.tried)


def test_a_setting_that_is_good_already_is_kept_and_nothing_is_measured_for_it():
    lab = Lab(cores=8.0)
    made = tuned(lab, lab.stages(workers=2), most_workers=4)
    assert made.best is made.start
    assert made.best.code == ""
    assert len([each for each in made.tried if each.speedup]) == 0
    assert "simulated settings is predicted to gain 5 %" in made.reason


def test_workers_that_buy_nothing_are_taken_back():
    lab = Lab(cores=8.0)
    wasteful = [lab.stage("fetch", 0.001, workers=6), lab.stage("parse", 0.004)]
    made = tuned(lab, wasteful, most_workers=2, queue_size=[16])
    assert made.best.total_workers == 2
    assert made.start in made.ties


def test_a_model_that_is_wrong_is_corrected_by_the_measurement():
    """The lock is not in the model: what it promises for two workers never comes."""
    lab = Lab(cores=8.0)
    locked = VirtualExecutor("threads", lab.machine, locked=["parse"])
    made = tuned(lab, executors=[locked])
    (promised, *_) = [each for each in made.tried if each.speedup]
    assert promised.predicted_speedup > 1.5
    assert promised.speedup.value < 1.1
    assert made.best.total_workers <= 4


def test_the_batch_size_is_searched_with_an_execution_of_the_baseline_for_each():
    lab = Lab(cores=8.0)

    def embed(values):
        lab.machine.work(0.008 + 0.0001 * len(values))
        return list(values)

    stages = [lab.stage("fetch", 0.0001), Stage(embed, name="embed", batch=4)]
    made = tuned(lab, stages, batch_size=[2, 20], most_workers=2)
    assert made.best.change.batch == {"embed": 20}
    # 10 calls of 8.4 ms against 2 of 10 ms
    assert made.best.speedup.value == pytest.approx(84 / 22, rel=0.1)
    assert made.best.predicted_speedup == pytest.approx(made.best.speedup.value, rel=0.05)


def test_another_executor_is_proposed_when_it_is_faster():
    lab = Lab(cores=8.0)
    lame = VirtualExecutor("lame", lab.machine, overlaps=False)
    made = tuned(lab, executors=[lame, lab.threads], most_workers=3)
    assert made.best.executor == "threads"
    assert made.best.code.startswith('executors=["threads"]')


def test_the_budget_ends_the_search_and_says_what_is_left():
    lab = Lab(cores=8.0)
    locked = VirtualExecutor("threads", lab.machine, locked=["parse"])
    made = tuned(lab, executors=[locked], budget_s=0.5)
    assert not made.is_complete
    assert "the budget of 0.5 s is spent" in made.reason
    assert made.tried


def test_several_settings_share_rounds_only_when_the_budget_holds_enough_of_them():
    """As declared 40 x 2 ms: eight rounds for four arms take seconds, for two arms half as many."""
    assert len(measured_first(budget_s=100.0)) == 3
    assert len(measured_first(budget_s=6.0)) == 1


def measured_first(budget_s: float) -> list[Tried]:
    """Return what was measured in the first rounds."""
    kept: list[Tuning] = []
    lab = Lab(cores=8.0)
    spread = [lab.stage("fetch", 0.002), lab.stage("parse", 0.002), lab.stage("store", 0.002)]
    tuned(lab, spread, so_far=kept.append, most_workers=12, budget_s=budget_s)
    return [each for each in kept[1].tried if each.speedup]


def test_an_interruption_keeps_what_was_measured():
    lab = Lab(cores=8.0)
    kept: list[Tuning] = []

    def stop_at_the_second(tuning: Tuning) -> None:
        kept.append(tuning)
        if len(kept) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tuned(lab, so_far=stop_at_the_second)
    assert [each for each in kept[-1].tried if each.speedup]
    assert kept[-1].reason == "interrupted"
    assert not kept[-1].is_complete


def test_progress_says_what_is_being_done():
    lab = Lab(cores=8.0)
    tuned(lab, observer=Notes(lab))
    assert any(text.startswith("tune (the setting as declared): ") for text in lab.progress)
    assert "tune: simulating settings" in lab.progress
    assert any(text.startswith("tune (") and "settings): " in text for text in lab.progress)


def test_switched_off_measures_nothing():
    made = tuned(mode="off")
    assert made.reason.startswith("measuring is switched off")
    assert made.tried == (made.start,)


def test_wrong_outputs_stop_the_search():
    lab = Lab(cores=8.0)
    calls: list[int] = []

    def drifting(item):
        calls.append(item)
        return len(calls)

    with pytest.raises(UsageError, match="tune stopped at the setting as declared: wrong result"):
        tuned(lab, [drifting])


def test_no_executor_that_can_run_is_said():
    lab = Lab(cores=8.0)
    absent = VirtualExecutor("absent", lab.machine, unavailable="no such device")
    with pytest.raises(UsageError, match=r"no executor can run here \(absent: no such device\)"):
        tuned(lab, executors=[absent])
    made = tuned(lab, executors=[absent, lab.threads])
    assert made.unavailable == {"absent": "no such device"}
    assert made.start.executor == "threads"


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"queue_size": []}, r"tune\(queue_size=\[\]\): expected a list of whole numbers"),
        ({"batch_size": [4]}, "no stage takes batches"),
        ({"most_workers": 0}, "most_workers"),
        ({"budget_s": 0}, "budget"),
    ],
)
def test_a_search_that_means_nothing_is_refused_before_measuring(bad, message):
    with pytest.raises(UsageError, match=message):
        tuned(**bad)


# --- ties


def setting(workers: int, value: float, low: float | None, high: float | None) -> Tried:
    speedup = Estimate("speedup", "x", value, low, high, 0.95, 9)
    return Tried(Change(pool=workers), "threads", f"{workers}", workers, value, speedup, 1.0)


START = Tried(Change(), "threads", "", 3, 1.0)


def test_settings_that_cannot_be_told_apart_tie_and_the_cheapest_wins():
    five, eight = setting(5, 2.0, 1.8, 2.2), setting(8, 2.1, 1.9, 2.3)
    assert choose(START, [eight, five]) == (five, (eight,))


def test_a_clear_winner_stands_alone():
    five, eight = setting(5, 1.5, 1.4, 1.6), setting(8, 2.1, 1.9, 2.3)
    assert choose(START, [five, eight]) == (eight, ())


def test_a_setting_with_too_few_rounds_for_an_interval_is_neither_best_nor_tied():
    two, eight = setting(2, 3.0, None, None), setting(8, 2.1, 1.9, 2.3)
    assert choose(START, [two]) == (START, ())
    assert choose(START, [eight, two]) == (eight, ())
