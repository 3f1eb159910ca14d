"""Laws of what is displayed: intervals, quantiles, effective sample sizes."""

from statistics import median

from hypothesis import given, strategies as st
from scipy import stats

from pytest_pipeline.stats.confidence import median_sequence, rank_for
from pytest_pipeline.stats.ess import effective_sample_size
from pytest_pipeline.stats.quantiles import is_bimodal, quantile
from pytest_pipeline.stats.rate import run_length

values = st.lists(st.floats(0.01, 100), min_size=1, max_size=80)
alphas = st.sampled_from([0.1, 0.05, 0.01, 0.001])


@given(values, alphas)
def test_the_interval_contains_the_displayed_median(sample, alpha):
    interval = median_sequence(sample, alpha)
    if interval is not None:
        assert interval[0] <= median(sample) <= interval[1]


@given(values, alphas, st.randoms(use_true_random=False))
def test_the_interval_does_not_depend_on_the_order(sample, alpha, random):
    assert median_sequence(sample, alpha) == median_sequence(
        random.sample(sample, len(sample)), alpha
    )


@given(values, alphas, st.floats(0.1, 10))
def test_the_interval_moves_with_the_values(sample, alpha, shift):
    interval = median_sequence(sample, alpha)
    moved = median_sequence([value + shift for value in sample], alpha)
    assert (interval is None) == (moved is None)
    if interval is not None:
        assert moved == (interval[0] + shift, interval[1] + shift)


@given(st.integers(0, 400), alphas)
def test_more_rounds_never_drop_the_rank_and_more_confidence_never_raises_it(n, alpha):
    assert rank_for(n, alpha) <= rank_for(n + 1, alpha) <= rank_for(n, alpha) + 1
    assert rank_for(n, alpha / 2) <= rank_for(n, alpha)


@given(st.integers(1, 300), alphas)
def test_the_interval_is_never_narrower_than_the_classical_one_for_a_fixed_n(n, alpha):
    rank = rank_for(n, alpha)
    assert 2 * stats.binom.cdf(rank - 1, n, 0.5) <= alpha


@given(values, st.floats(0, 1))
def test_a_quantile_is_a_measured_value_with_its_share_below(sample, q):
    found = quantile(sample, q)
    assert found in sample
    assert sum(value <= found for value in sample) >= q * len(sample) - 1e-6
    assert sum(value < found for value in sample) <= max(0, q * len(sample))


@given(values, st.floats(0, 1), st.floats(0, 1))
def test_quantiles_do_not_cross(sample, p, q):
    low, high = sorted((p, q))
    assert quantile(sample, low) <= quantile(sample, high)


@given(values)
def test_an_effective_size_lies_between_one_and_all(sample):
    assert 1 <= effective_sample_size(sample) <= len(sample)


@given(values)
def test_a_stall_is_at_least_one_sample_and_at_most_the_tenth_above_p90(sample):
    assert 1 <= run_length(sample) <= max(1, len(sample) / 10)


@given(values, st.integers(-20, 20))
def test_whether_a_sample_is_unsteady_does_not_depend_on_the_unit(sample, exponent):
    once = [value * 2.0**exponent for value in sample]
    if is_bimodal(sample):
        assert is_bimodal(once, min_ratio=1.149)  # logs round: allow a hair on the ratio
    else:
        assert not is_bimodal(once, min_ratio=1.151)
