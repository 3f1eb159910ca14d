"""Correlated samples count for fewer."""

import numpy as np
import pytest

from pytest_pipeline.stats.ess import effective_sample_size, lag1_autocorrelation


def test_independent_samples_count_nearly_in_full():
    values = np.random.default_rng(1).normal(size=4000).tolist()
    assert effective_sample_size(values) == pytest.approx(4000, rel=0.1)


def test_a_first_order_series_counts_by_its_autocorrelation():
    rng = np.random.default_rng(2)
    values = [0.0]
    for shock in rng.normal(size=20_000):
        values.append(0.6 * values[-1] + shock)
    assert lag1_autocorrelation(values) == pytest.approx(0.6, abs=0.02)
    assert effective_sample_size(values) == pytest.approx(20_000 / 4, rel=0.1)


def test_alternation_never_counts_for_more_than_was_measured():
    assert lag1_autocorrelation([1.0, 2.0] * 20) < -0.9
    assert effective_sample_size([1.0, 2.0] * 20) == 40


def test_the_formula_on_a_hand_computed_series():
    # centred: -1, -1, 1, 1; products 1 - 1 + 1 = 1; squares 4
    assert lag1_autocorrelation([1, 1, 3, 3]) == 0.25
    assert effective_sample_size([1, 1, 3, 3]) == pytest.approx(4 * 0.75 / 1.25)


@pytest.mark.parametrize(("values", "size"), [([], 0), ([5.0], 1), ([5.0, 6.0], 2), ([2.0] * 9, 9)])
def test_short_and_constant_series(values, size):
    assert effective_sample_size(values) == size
