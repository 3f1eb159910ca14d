"""Since when is it so? Steps, outliers, and what is not compared."""

from __future__ import annotations

import random

import pytest
from unit.history.records import sessions

from pytest_pipeline.history.since import changes_of
from pytest_pipeline.stats.steps import find_levels


def speedup_change(*speedups):
    *past, present = sessions(*speedups)
    return next(each for each in changes_of(past, present) if each.quantity == "speedup")


def test_a_step_names_the_last_session_before_it_and_the_first_after_it():
    change = speedup_change(2.6, 2.62, 2.58, 2.61, 2.6, 1.4, 1.42, 1.41)
    assert (change.is_changed, change.is_confirmed) == (True, True)
    assert (change.then.commit, change.first.commit) == ("c004", "c005")
    assert change.sessions_since == 2
    assert change.steps == (2,)


def test_a_change_that_only_this_session_shows_is_not_confirmed():
    change = speedup_change(2.6, 2.62, 2.58, 2.61, 1.4)
    assert (change.is_changed, change.is_confirmed, change.sessions_since) == (True, False, 0)
    assert change.then.commit == "c003"


def test_an_outlier_is_no_step_and_nothing_is_compared_with_it():
    change = speedup_change(1.9, 2.6, 2.62, 2.58, 2.61, 1.4, 2.6)
    assert not change.is_changed
    assert change.then.commit == "c001"


def test_a_slow_drift_is_compared_with_the_first_sessions_not_with_the_last():
    change = speedup_change(*(2.6 * 0.995**k for k in range(60)))
    assert change.is_changed


def test_few_sessions_tell_no_change_and_one_has_nothing_to_compare_with():
    assert not speedup_change(2.6, 2.6, 1.3).is_changed
    assert changes_of([], sessions(2.6)[0]) == ()


@pytest.mark.parametrize("other", [{"machine": "there"}, {"workload": "other"}])
def test_other_machines_and_other_work_are_not_compared(other):
    *_, present = sessions(2.6)
    assert changes_of(sessions(1.3, 1.3, 1.3, 1.3, 1.3, **other), present) == ()


def test_both_arms_getting_slower_is_seen_by_the_makespan():
    past = sessions(2.6, 2.6, 2.6, 2.6, 2.6)
    (present,) = sessions(2.6, makespan_s=0.1)
    changed = {each.quantity for each in changes_of(past, present) if each.is_changed}
    assert changed == {"makespan"}


def test_noise_and_outliers_give_few_steps():
    rng = random.Random(7)
    series = [
        [rng.lognormvariate(0, 0.02) * (0.75 if rng.random() < 0.03 else 1) for _ in range(100)]
        for _ in range(100)
    ]
    steps = sum(sum(each.is_confirmed for each in find_levels(values)) - 1 for values in series)
    assert steps <= 25


@pytest.mark.parametrize("value", [0.0, -1.0, float("inf"), float("nan")])
def test_what_has_no_logarithm_is_refused(value):
    with pytest.raises(ValueError, match="positive"):
        find_levels([1.0, value])
