"""Two ladders on one wealth keep the promise of one, whenever the second may bet."""

import itertools
import math

import pytest
from hypothesis import given, strategies as st

from pytest_pipeline.stats.ladder import LadderBet
from pytest_pipeline.stats.two_ladders import TwoLadders

# Beyond the guard band, beyond the limit, and on the right side of it: with the chances of the worst conforming code.
WORST = {0.8: 1 / 4, 0.95: 1 / 4, 1.2: 1 / 2}
values = st.sampled_from(sorted(WORST))
histories = st.lists(st.tuples(st.none() | values, st.none() | values), max_size=30)


def after(history):
    bet = TwoLadders(1.0, "below")
    for best, mean in history:
        bet.bet(best, mean)
    return bet


@given(st.lists(values, max_size=30))
def test_where_the_second_never_may_bet_it_costs_nothing(bests):
    one = LadderBet(1.0, "below")
    for value in bests:
        one.bet(value)
    assert after([(value, None) for value in bests]).log_e == one.log_e


@given(st.lists(values, max_size=30))
def test_where_both_see_the_same_they_decide_as_one(same):
    alike, one = after([(value, value) for value in same]), LadderBet(1.0, "below")
    for value in same:
        one.bet(value)
    assert alike.log_e == pytest.approx(one.log_e, abs=1e-9)


@given(histories, st.booleans())
def test_at_the_limit_of_both_the_next_round_is_a_fair_bet(history, may_bet_mean):
    now = after(history).log_e
    expected = sum(
        WORST[best]
        * WORST[mean]
        * math.exp(after([*history, (best, mean if may_bet_mean else None)]).log_e - now)
        for best, mean in itertools.product(WORST, WORST)
    )
    assert expected == pytest.approx(1, abs=1e-9)


@given(histories)
def test_one_ladder_alone_cannot_decide_on_less_than_twice_its_evidence(history):
    both = after(history)
    best = LadderBet(1.0, "below")
    for value, _ in history:
        if value is not None:
            best.bet(value)
    assert both.log_e >= best.log_e - math.log(2) - 1e-9
