"""Laws of the interval for a share, and of failure counts."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, strategies as st

from pytest_pipeline.stats.confidence import share_sequence

counts = st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts)
def test_the_interval_holds_what_was_seen(count):
    events, trials = count
    lower, upper = share_sequence(events, trials)
    assert 0 <= lower <= events / trials <= upper <= 1


@given(counts)
def test_failures_and_successes_mirror_each_other(count):
    events, trials = count
    lower, upper = share_sequence(events, trials)
    other = share_sequence(trials - events, trials)
    assert other == pytest.approx((1 - upper, 1 - lower), abs=1e-9)


@given(counts, st.floats(0.001, 0.4))
def test_more_certainty_is_a_wider_interval(count, alpha):
    lower, upper = share_sequence(*count, alpha)
    wide = share_sequence(*count, alpha / 2)
    assert wide[0] <= lower + 1e-12
    assert wide[1] >= upper - 1e-12


@given(counts)
def test_it_is_wider_than_an_interval_that_may_be_looked_at_once(count):
    """Wilson's interval is for an n fixed beforehand: what stays valid at every look must be wider."""
    events, trials = count
    lower, upper = share_sequence(events, trials)
    low, high = wilson(events, trials)
    assert upper >= high - 0.02 / math.sqrt(trials) or upper == 1
    assert lower <= low + 0.02 / math.sqrt(trials) or lower == 0


def wilson(events, trials, z=1.959964):
    share = events / trials
    middle = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = (
        z / (1 + z * z / trials) * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials**2))
    )
    return max(0.0, middle - half), min(1.0, middle + half)


def test_before_the_first_trial_nothing_is_known():
    assert share_sequence(0, 0) == (0.0, 1.0)


def test_what_0_of_100_shows():
    lower, upper = share_sequence(0, 100)
    assert lower == 0
    assert upper == pytest.approx(0.057, abs=0.0005)
    assert wilson(0, 100)[1] == pytest.approx(0.037, abs=0.0005)


@pytest.mark.parametrize("share", [0.01, 0.05, 0.5])
def test_looking_after_every_item_misses_the_share_at_most_as_often_as_promised(share):
    chance, missed, runs = random.Random(7), 0, 400
    for _ in range(runs):
        events = 0
        for trials in range(1, 201):
            events += chance.random() < share
            if trials % 10 == 0:
                lower, upper = share_sequence(events, trials, 0.1)
                if not lower <= share <= upper:
                    missed += 1
                    break
    assert missed / runs <= 0.1


@pytest.mark.parametrize(("events", "trials"), [(-1, 5), (6, 5)])
def test_impossible_counts_are_refused(events, trials):
    with pytest.raises(ValueError, match="impossible"):
        share_sequence(events, trials)
