"""Quantiles are values that were measured, and `unsteady` needs two clear modes."""

import math

import numpy as np
import pytest

from pytest_pipeline.stats.quantiles import is_bimodal, quantile


def test_p99_of_a_hundred_is_the_99th_value():
    assert quantile(range(1, 101), 0.99) == 99


@pytest.mark.parametrize("n", [1, 2, 50, 99])
def test_p99_of_fewer_than_a_hundred_is_the_maximum(n):
    assert quantile(range(1, n + 1), 0.99) == n


def test_order_does_not_matter():
    assert quantile([5, 1, 4, 2, 3], 0.5) == 3


def test_the_ends_are_minimum_and_maximum():
    assert quantile([3, 1, 2], 0) == 1
    assert quantile([3, 1, 2], 1) == 3


@pytest.mark.parametrize("per_cent", range(1, 101))
def test_whole_per_cents_of_a_hundred_values_do_not_suffer_from_rounding(per_cent):
    assert quantile(range(1, 101), per_cent / 100) == per_cent


def test_nearest_rank_agrees_with_numpy_away_from_ties():
    values = np.random.default_rng(3).random(137)
    for q in (0.013, 0.11, 0.5, 0.77, 0.901, 0.99):
        assert quantile(values, q) == np.quantile(values, q, method="inverted_cdf")


@pytest.mark.parametrize(
    ("values", "q"), [([], 0.5), ([1.0], 1.5), ([1.0], -0.1), ([math.nan, 1], 0.5)]
)
def test_impossible_quantiles_are_refused(values, q):
    with pytest.raises(ValueError):
        quantile(values, q)


def share_called_bimodal(draw, n, runs=500, seed=5):
    rng = np.random.default_rng(seed)
    return np.mean([is_bimodal(draw(rng, n)) for _ in range(runs)])


def jitter(sigma):
    return lambda rng, n: rng.lognormal(0, sigma, n)


def mixture(slow_share, sigma):
    def draw(rng, n):
        return np.where(rng.random(n) < slow_share, 0.6, 1.25) * rng.lognormal(0, sigma, n)

    return draw


@pytest.mark.parametrize("sigma", [0.03, 0.1, 0.3])
@pytest.mark.parametrize(("n", "at_most"), [(12, 0.04), (20, 0.015), (40, 0.005)])
def test_plain_jitter_is_hardly_ever_called_unsteady(sigma, n, at_most):
    assert share_called_bimodal(jitter(sigma), n) <= at_most


@pytest.mark.parametrize("slow_share", [0.4, 0.6])
@pytest.mark.parametrize(("n", "at_least"), [(12, 0.85), (20, 0.95), (40, 0.95)])
def test_code_that_is_sometimes_fast_and_sometimes_slow_is_called_unsteady(slow_share, n, at_least):
    assert share_called_bimodal(mixture(slow_share, 0.04), n) >= at_least


def test_rare_spikes_are_not_a_second_mode():
    assert not is_bimodal([1.0] * 18 + [3.0] * 2)


def test_modes_closer_than_fifteen_per_cent_do_not_count():
    assert not is_bimodal([1.0, 1.14] * 10)
    assert is_bimodal([1.0, 1.16] * 10)


def test_too_few_or_equal_values_have_no_modes():
    assert not is_bimodal([])
    assert not is_bimodal([0.6, 1.25] * 5)
    assert not is_bimodal([1.0] * 30)


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_values_without_a_logarithm_are_refused(bad):
    with pytest.raises(ValueError, match="positive"):
        is_bimodal([1.0] * 20 + [bad])
