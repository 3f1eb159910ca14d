"""Amdahl's law and the Universal Scalability Law from measured speedups."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import nnls

from pytest_pipeline.stats.scalability import Amdahl, Usl, fit_amdahl, fit_usl


@pytest.mark.parametrize("share", [0.0, 0.05, 0.4, 1.0])
def test_a_serial_share_is_found_again(share):
    fit = fit_amdahl({n: Amdahl(share, 0.0).speedup(n) for n in (1, 2, 4, 8)})
    assert fit is not None
    assert fit.serial_share == pytest.approx(share)
    assert fit.largest_error == pytest.approx(0.0, abs=1e-12)


def test_the_limit_of_amdahls_law_is_one_over_the_serial_share():
    assert Amdahl(0.25, 0.0).limit == 4.0
    assert Amdahl(0.0, 0.0).limit == math.inf


def test_more_than_linear_speedup_counts_as_no_serial_share():
    fit = fit_amdahl({1: 1.0, 2: 2.4})
    assert fit is not None
    assert fit.serial_share == 0.0
    assert fit.largest_error == pytest.approx(1 - 2 / 2.4)


def test_contention_and_coherency_are_found_again_and_give_the_peak():
    law = Usl(0.1, 0.01, 0.0)
    fit = fit_usl({n: law.speedup(n) for n in (1, 2, 4, 8, 16)})
    assert fit is not None
    assert (fit.contention, fit.coherency) == pytest.approx((0.1, 0.01))
    assert fit.peak_workers == pytest.approx(math.sqrt(0.9 / 0.01))


@pytest.mark.parametrize("seed", range(20))
def test_the_fit_is_the_non_negative_least_squares_solution(seed):
    random = np.random.default_rng(seed)
    counts = [2, 3, 4, 8]
    values = {n: float(random.uniform(0.5, 1.2 * n)) for n in counts}
    matrix = np.array([[n - 1, n * (n - 1)] for n in counts], dtype=float)
    expected, _ = nnls(matrix, np.array([n / values[n] - 1 for n in counts]))
    fit = fit_usl({1: 1.0, **values})
    assert fit is not None
    assert (fit.contention, fit.coherency) == pytest.approx(tuple(expected), abs=1e-9)


def test_nothing_is_fitted_to_too_few_points():
    assert fit_amdahl({1: 1.0}) is None
    assert fit_usl({1: 1.0, 2: 1.5}) is None
