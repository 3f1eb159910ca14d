"""The displayed interval appears at 7 rounds and narrows as the study says."""

import math

import pytest
from scipy.special import betaln

from pytest_pipeline.stats.confidence import median_sequence, rank_for


@pytest.mark.parametrize(
    ("n", "rank"), [(6, 0), (7, 1), (11, 1), (12, 2), (20, 4), (30, 7), (40, 11)]
)
def test_the_ranks_are_those_of_the_study(n, rank):
    assert rank_for(n) == rank


def test_no_interval_is_shown_below_seven_rounds():
    assert median_sequence([2.0] * 6) is None
    assert median_sequence([]) is None


def test_seven_rounds_give_the_range_and_twelve_drop_the_extremes():
    assert median_sequence([3, 1, 2, 7, 5, 6, 4]) == (1, 7)
    assert median_sequence(range(12)) == (1, 10)


@pytest.mark.parametrize("alpha", [0.05, 0.01, 0.001])
def test_ranks_agree_with_scipys_beta_function(alpha):
    for n in range(1, 200):
        holds = [
            k
            for k in range(1, (n + 1) // 2 + 1)
            if n * math.log(2) + betaln(k - 0.5, n - k + 1.5) - betaln(0.5, 0.5) >= -math.log(alpha)
        ]
        assert rank_for(n, alpha) == max(holds, default=0)


def test_a_stricter_level_gives_a_wider_interval():
    lower, upper = median_sequence(range(40), alpha=0.001)
    assert (lower, upper) == (rank_for(40, 0.001) - 1, 40 - rank_for(40, 0.001))
    assert rank_for(40, 0.001) < rank_for(40, 0.05)


def test_nan_and_impossible_arguments_are_refused():
    with pytest.raises(ValueError, match="NaN"):
        median_sequence([1.0, math.nan] * 10)
    with pytest.raises(ValueError, match="n="):
        rank_for(-1)
    with pytest.raises(ValueError, match="alpha"):
        rank_for(10, 0)
