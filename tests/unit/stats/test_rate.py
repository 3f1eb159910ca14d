"""p99 gates need the samples and blocks that the study states, never fewer."""

import math

import pytest
from scipy import stats

from pytest_pipeline.stats.rate import (
    BlockBet,
    RateBet,
    blocks_to_miss,
    pooled_run_length,
    run_length,
    samples_to_certify,
)


@pytest.mark.parametrize(("alpha", "samples"), [(0.05, 319), (0.01, 486)])
def test_a_p99_without_late_samples_is_met_after_319_or_486(alpha, samples):
    assert samples_to_certify(alpha) == samples
    bet = RateBet("met")
    bet.bet_many(0, samples - 1)
    assert not bet.crossed(alpha)
    bet.bet(late=False)
    assert bet.crossed(alpha)


@pytest.mark.parametrize(("alpha", "floor"), [(0.05, 299), (0.01, 459)])
def test_certifying_never_takes_fewer_samples_than_the_exact_binomial_test(alpha, floor):
    assert stats.binom.pmf(0, floor, 0.01) <= alpha < stats.binom.pmf(0, floor - 1, 0.01)
    assert floor <= samples_to_certify(alpha) <= 1.1 * floor


def test_stalls_of_three_samples_nearly_triple_the_samples_needed():
    assert 2.9 * 319 < samples_to_certify(0.05, deff=3) <= 3 * 319
    needed = samples_to_certify(0.05, deff=3)
    bet = RateBet("met")
    bet.bet_many(0, needed)
    assert bet.crossed(0.05, deff=3)
    assert not bet.crossed(0.05, deff=3.01)


def test_a_laxer_quantile_needs_fewer_samples():
    assert samples_to_certify(0.05, quantile=0.5) == 5
    assert samples_to_certify(0.05, quantile=0.9) == 31
    assert 3100 < samples_to_certify(0.05, quantile=0.999) < 3300


def test_two_late_samples_in_a_row_miss_at_once():
    bet = RateBet("missed")
    bet.bet(late=True)
    assert math.exp(bet.log_e) == pytest.approx(0.2 * 2 + 0.3 * 5 + 0.3 * 20 + 0.2 * 70)
    assert not bet.crossed(0.001)
    bet.bet(late=True)
    assert bet.crossed(0.001)
    assert (bet.late, bet.samples) == (2, 2)


def test_a_late_sample_costs_the_met_side_but_does_not_end_it():
    bet = RateBet("met")
    bet.bet_many(1, 400)
    assert not bet.crossed(0.05)
    bet.bet_many(0, 600)
    assert bet.crossed(0.05)


def test_one_fully_late_block_is_strong_and_two_decide():
    bet = BlockBet()
    bet.bet(1.0)
    assert math.exp(bet.log_e) == pytest.approx((2.98 + 10.9 + 40.6 + 99.01) / 4)
    assert not bet.crossed(0.001)
    bet.bet(1.0)
    assert bet.crossed(0.001)
    assert bet.blocks == blocks_to_miss(0.001) == 2


@pytest.mark.parametrize(
    ("late_share", "blocks"), [(1.0, 2), (0.1, 4), (0.05, 6), (0.03, 8), (0.02, 13)]
)
def test_blocks_to_a_miss_at_a_steady_late_share(late_share, blocks):
    assert blocks_to_miss(0.001, late_share=late_share) == blocks
    bet = BlockBet()
    for _ in range(blocks):
        assert not bet.crossed(0.001)
        bet.bet(late_share)
    assert bet.crossed(0.001)


def test_blocks_at_the_limit_never_miss():
    assert blocks_to_miss(0.001, late_share=0.01) is None
    bet = BlockBet()
    for _ in range(1000):
        bet.bet(0.01)
    assert bet.log_e == pytest.approx(0)


def test_ten_late_blocks_overturn_a_hundred_clean_ones():
    bet = BlockBet()
    for _ in range(100):
        bet.bet(0.0)
    for _ in range(10):
        bet.bet(1.0)
    assert bet.crossed(0.001)


def test_run_length_is_the_length_of_the_stalls():
    quiet = [1.0 + i * 1e-6 for i in range(18)]
    assert run_length([*quiet, 5.0, 6.0] + [*quiet, 5.0, 6.0]) == 2
    assert run_length([*quiet, 9.0, 1.0, 9.0, 1.0]) == 1


def test_stalls_pool_over_blocks_without_joining_at_the_seam():
    quiet = [1.0 + i * 1e-6 for i in range(18)]
    blocks = [[*quiet, 8.0, 9.0], [9.0, 8.0, *quiet]]
    assert pooled_run_length(blocks) == 2


@pytest.mark.parametrize("samples", [[], [3.0], [2.0] * 50])
def test_run_length_is_one_where_nothing_stands_out(samples):
    assert run_length(samples) == 1


@pytest.mark.parametrize(
    "broken",
    [
        lambda: RateBet("pass"),
        lambda: RateBet("met", quantile=1),
        lambda: BlockBet(quantile=0),
        lambda: RateBet("met").bet_many(3, 2),
        lambda: BlockBet().bet(1.5),
        lambda: BlockBet().bet(math.nan),
        lambda: RateBet("met").crossed(0.05, deff=0.5),
        lambda: samples_to_certify(0.05, deff=math.nan),
        lambda: samples_to_certify(1.0),
    ],
)
def test_arguments_that_cannot_work_are_refused(broken):
    with pytest.raises(ValueError):
        broken()


def test_the_bets_say_where_they_stand():
    assert repr(RateBet("met")) == "RateBet(met: 0 late of 0, log_e=0.000)"
    assert repr(BlockBet()) == "BlockBet(0 blocks, log_e=0.000)"
