"""Laws that make the verdicts' error bound true, whatever the values, orders and limits."""

import math

import pytest
from hypothesis import assume, example, given, strategies as st

from pytest_pipeline.stats.eprocess import BernoulliMixture, log_average, log_sum_exp
from pytest_pipeline.stats.ladder import DEEP, SHALLOW, LadderBet, ladder_log_e, rounds_to_decide
from pytest_pipeline.stats.rate import BlockBet, RateBet, blocks_to_miss, samples_to_certify

ratios = st.floats(0.01, 100)
quantiles = st.floats(0.5, 0.999)
counts = st.tuples(st.integers(0, 300), st.integers(0, 300)).map(lambda ab: (ab[0], ab[0] + ab[1]))


@st.composite
def mixtures(draw):
    q = draw(st.floats(0.01, 0.99))
    ps = draw(st.lists(st.floats(q, 1), min_size=1, max_size=4))
    raw = [draw(st.floats(0.1, 1)) for _ in ps]
    return BernoulliMixture(q, tuple((p, w / math.fsum(raw)) for p, w in zip(ps, raw, strict=True)))


def e_ladder(values, threshold, direction):
    bet = LadderBet(threshold, direction)
    for value in values:
        bet.bet(value)
    return bet.log_e


@given(mixtures())
def test_every_bet_starts_at_one(mixture):
    assert mixture.log_e(0, 0) == 0


@given(mixtures(), counts)
@example(SHALLOW, (0, 5))
@example(DEEP, (5, 5))
def test_at_the_limit_the_next_round_is_a_fair_bet(mixture, count):
    events, trials = count
    q = mixture.null_rate
    terms = (
        math.log(q) + mixture.log_e(events + 1, trials + 1),
        math.log(1 - q) + mixture.log_e(events, trials + 1),
    )
    assert log_sum_exp(terms) == pytest.approx(mixture.log_e(events, trials), abs=1e-6)


@given(mixtures(), counts, st.floats(0, 1))
def test_within_the_limit_the_next_round_is_never_a_winning_bet(mixture, count, share):
    events, trials = count
    p = share * mixture.null_rate
    win, lose = mixture.log_e(events + 1, trials + 1), mixture.log_e(events, trials + 1)
    now = mixture.log_e(events, trials)
    assume(now > -math.inf)  # a mixture that bets everything can be ruined; ours never can
    assert p * math.exp(win - now) + (1 - p) * math.exp(lose - now) <= 1 + 1e-6


@given(mixtures(), counts)
def test_an_event_is_never_evidence_against_the_bet_and_a_miss_never_for_it(mixture, count):
    events, trials = count
    assert mixture.log_e(events + 1, trials + 1) >= mixture.log_e(events, trials) - 1e-9
    assert mixture.log_e(events, trials + 1) <= mixture.log_e(events, trials) + 1e-9


@pytest.mark.parametrize("mixture", [SHALLOW, DEEP])
def test_no_single_round_can_ruin_the_ladder(mixture):
    assert all(math.isfinite(mixture.log_e(events, 50)) for events in range(51))


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_the_ladder_is_a_fair_bet_at_its_worst_case(deep, between, none):
    shallow, rounds = deep + between, deep + between + none
    now = ladder_log_e(shallow, deep, rounds)
    after = log_sum_exp(
        (
            math.log(1 / 2) + ladder_log_e(shallow, deep, rounds + 1),
            math.log(1 / 4) + ladder_log_e(shallow + 1, deep, rounds + 1),
            math.log(1 / 4) + ladder_log_e(shallow + 1, deep + 1, rounds + 1),
        )
    )
    assert after == pytest.approx(now, abs=1e-9)


@given(st.lists(ratios, max_size=40), st.randoms(use_true_random=False), ratios)
def test_the_order_of_rounds_does_not_change_the_evidence(values, random, threshold):
    shuffled = random.sample(values, len(values))
    for direction in ("below", "above"):
        assert e_ladder(values, threshold, direction) == e_ladder(shuffled, threshold, direction)


@given(st.lists(ratios, max_size=40), ratios, st.integers(-20, 20))
def test_a_machine_twice_as_fast_changes_nothing_for_both_sides(values, threshold, exponent):
    scale = 2.0**exponent  # a power of two, so that comparisons are exact
    for direction in ("below", "above"):
        scaled = [value * scale for value in values]
        assert e_ladder(values, threshold, direction) == e_ladder(
            scaled, threshold * scale, direction
        )


@given(st.lists(ratios, max_size=40), st.floats(0.1, 10))
def test_met_is_the_mirror_image_of_missed(values, threshold):
    edges = (threshold * 0.9, threshold, threshold / 0.9)
    assume(all(abs(value / edge - 1) > 1e-9 for value in values for edge in edges))
    mirrored = [threshold**2 / value for value in values]
    for one, other in (("below", "above"), ("above", "below")):
        assert e_ladder(values, threshold, one) == e_ladder(mirrored, threshold, other)


@given(st.lists(ratios, max_size=60), ratios)
def test_a_gate_is_never_both_missed_and_met(values, threshold):
    missed, met = LadderBet(threshold, "below"), LadderBet(threshold, "above")
    for value in values:
        missed.bet(value)
        met.bet(value)
    assert not (missed.crossed(0.05) and met.crossed(0.05))


@given(st.lists(ratios, min_size=1, max_size=40), st.integers(0, 39), st.floats(0.1, 1))
def test_a_slower_round_never_weakens_the_case_against_the_code(values, at, factor):
    slower = list(values)
    slower[at % len(values)] *= factor
    assert e_ladder(slower, 1.0, "below") >= e_ladder(values, 1.0, "below") - 1e-12


@given(st.lists(ratios, max_size=30), st.floats(1e-6, 0.5))
def test_no_values_decide_faster_than_the_clear_case(values, alpha):
    bet = LadderBet(1.0, "below")
    for value in values[: rounds_to_decide(alpha) - 1]:
        bet.bet(value)
        assert not bet.crossed(alpha)


@given(quantiles, st.lists(st.booleans(), max_size=100))
def test_counting_late_samples_at_once_or_one_by_one_is_the_same(quantile, lates):
    for side in ("met", "missed"):
        single, many = RateBet(side, quantile=quantile), RateBet(side, quantile=quantile)
        for late in lates:
            single.bet(late)
        many.bet_many(sum(lates), len(lates))
        assert single.log_e == many.log_e


@given(quantiles, counts)
def test_a_sample_at_the_allowed_rate_is_a_fair_bet_on_both_sides(quantile, count):
    late, samples = count
    tail = 1 - quantile
    for side in ("met", "missed"):
        now, then_late, then_in_time = (RateBet(side, quantile=quantile) for _ in range(3))
        now.bet_many(late, samples)
        then_late.bet_many(late + 1, samples + 1)
        then_in_time.bet_many(late, samples + 1)
        mean = tail * math.exp(then_late.log_e - now.log_e)
        mean += (1 - tail) * math.exp(then_in_time.log_e - now.log_e)
        assert mean == pytest.approx(1, abs=1e-6)


@given(quantiles, st.lists(st.floats(0, 1), max_size=20), st.floats(0, 1))
def test_a_block_at_the_allowed_rate_is_at_most_a_fair_bet(quantile, before, late_share):
    # two-point distribution on {0, late_share or more} with mean 1 - quantile
    tail = 1 - quantile
    high = max(late_share, tail)
    now, then_bad, then_good = (BlockBet(quantile=quantile) for _ in range(3))
    for bet in (now, then_bad, then_good):
        for share in before:
            bet.bet(share)
    then_bad.bet(high)
    then_good.bet(0.0)
    chance = tail / high
    mean = chance * math.exp(then_bad.log_e - now.log_e)
    mean += (1 - chance) * math.exp(then_good.log_e - now.log_e)
    assert mean == pytest.approx(1, abs=1e-6)


@given(st.lists(st.floats(0, 1), max_size=20), st.randoms(use_true_random=False))
def test_the_order_of_blocks_does_not_change_the_evidence(shares, random):
    one, other = BlockBet(), BlockBet()
    for share in shares:
        one.bet(share)
    for share in random.sample(shares, len(shares)):
        other.bet(share)
    assert one.log_e == pytest.approx(other.log_e, abs=1e-9)


@given(st.floats(1e-4, 0.5), st.floats(1, 20), quantiles)
def test_the_announced_number_of_samples_is_exactly_what_is_needed(alpha, deff, quantile):
    needed = samples_to_certify(alpha, deff=deff, quantile=quantile)
    bet = RateBet("met", quantile=quantile)
    bet.bet_many(0, needed - 1)
    assert not bet.crossed(alpha, deff=deff)
    bet.bet(late=False)
    assert bet.crossed(alpha, deff=deff)


@given(st.floats(0.02, 1), st.floats(0, 1))
def test_a_worse_share_of_late_samples_is_found_no_later(late_share, more):
    worse = late_share + more * (1 - late_share)
    assert blocks_to_miss(0.001, late_share=worse) <= blocks_to_miss(0.001, late_share=late_share)


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=6))
def test_an_average_lies_between_its_parts(log_es):
    assert min(log_es) - 1e-9 <= log_average(log_es) <= max(log_es) + 1e-9


@pytest.mark.parametrize(
    "broken",
    [
        lambda: BernoulliMixture(0.5, ((0.4, 1.0),)),
        lambda: BernoulliMixture(0.5, ((0.9, 0.5),)),
        lambda: BernoulliMixture(1.0, ((1.0, 1.0),)),
        lambda: BernoulliMixture(0.5, ((0.9, 1.0),)).log_e(2, 1),
        lambda: log_average([]),
    ],
)
def test_a_mixture_that_would_break_the_bound_cannot_be_built(broken):
    with pytest.raises(ValueError):
        broken()
