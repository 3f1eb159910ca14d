"""The ladder decides clear cases after exactly the rounds that the study states."""

import math

import pytest

from pytest_pipeline.stats.ladder import (
    LadderBet,
    ladder_log_e,
    rounds_to_decide,
    rounds_to_decide_within_guard,
)


def rounds_until_crossed(value, alpha, direction="below", threshold=1.0):
    bet = LadderBet(threshold, direction)
    while not bet.crossed(alpha):
        bet.bet(value)
        assert bet.rounds < 100
    return bet.rounds


@pytest.mark.parametrize(("alpha", "rounds"), [(0.05, 3), (0.01, 5), (0.001, 6)])
def test_a_clear_case_is_decided_after_3_5_6_rounds(alpha, rounds):
    assert rounds_to_decide(alpha) == rounds
    assert rounds_until_crossed(0.5, alpha) == rounds
    assert rounds_until_crossed(2.0, alpha, "above") == rounds


@pytest.mark.parametrize(("alpha", "rounds"), [(0.05, 6), (0.01, 9), (0.001, 12)])
def test_a_value_just_beyond_the_threshold_takes_6_9_12_rounds(alpha, rounds):
    assert rounds_to_decide_within_guard(alpha) == rounds
    assert rounds_until_crossed(0.95, alpha) == rounds
    assert rounds_until_crossed(1.05, alpha, "above") == rounds


def test_ten_gates_in_one_test_cost_about_two_more_rounds():
    assert rounds_to_decide(0.001 / 10) - rounds_to_decide(0.001) in (1, 2)


def test_nothing_is_decided_before_the_first_round():
    bet = LadderBet(2.0, "below")
    assert bet.log_e == 0
    assert bet.rounds == 0
    assert not bet.crossed(0.99)


def test_a_value_exactly_at_the_threshold_is_evidence_for_neither_side():
    for direction in ("below", "above"):
        bet = LadderBet(1.9, direction)
        bet.bet(1.9)
        assert bet.events == (0, 0)
        assert bet.log_e < 0


@pytest.mark.parametrize(
    ("value", "below", "above"),
    [
        (0.85, (1, 1), (0, 0)),
        (0.95, (1, 0), (0, 0)),
        (1.05, (0, 0), (1, 0)),
        (1.12, (0, 0), (1, 1)),
    ],
)
def test_the_guard_band_is_ten_per_cent_on_either_side(value, below, above):
    for direction, events in (("below", below), ("above", above)):
        bet = LadderBet(1.0, direction)
        bet.bet(value)
        assert bet.events == events


def test_a_wider_guard_band_moves_the_second_rung_only():
    bet = LadderBet(1.0, "below", guard=0.5)
    bet.bet(0.85)
    assert bet.events == (1, 0)


def test_the_mixture_has_the_weights_of_the_study():
    shallow = 0.4 * 2**3 * 0 + 0.4 * 1.8**2 * 0.2 + 0.2 * 1.5**2 * 0.5
    deep = 0.5 * 0 + 0.3 * 3.2 * (0.2 / 0.75) ** 2 + 0.2 * 2 * (0.5 / 0.75) ** 2
    assert ladder_log_e(2, 1, 3) == pytest.approx(math.log((shallow + deep) / 2))


def test_one_good_round_does_not_rule_a_regression_out_for_ever():
    bet = LadderBet(1.0, "below")
    bet.bet(1.2)
    rounds = 0
    while not bet.crossed(0.001):
        bet.bet(0.5)
        rounds += 1
    assert rounds_to_decide(0.001) < rounds <= 12


def test_a_thousand_rounds_do_not_overflow():
    assert math.isfinite(ladder_log_e(0, 0, 100_000))
    assert math.isfinite(ladder_log_e(100_000, 100_000, 100_000))


@pytest.mark.parametrize("threshold", [0, -1.0, math.inf, math.nan])
def test_a_threshold_that_cannot_work_is_refused(threshold):
    with pytest.raises(ValueError, match="threshold"):
        LadderBet(threshold, "below")


@pytest.mark.parametrize(
    ("kwargs", "name"),
    [({"direction": "down"}, "direction"), ({"direction": "below", "guard": 1}, "guard")],
)
def test_other_arguments_that_cannot_work_are_named(kwargs, name):
    with pytest.raises(ValueError, match=name):
        LadderBet(1.0, **kwargs)


def test_a_round_without_a_value_is_refused_instead_of_counted():
    bet = LadderBet(1.0, "below")
    with pytest.raises(ValueError, match="NaN"):
        bet.bet(math.nan)
    assert bet.rounds == 0


@pytest.mark.parametrize("alpha", [0, 1, -0.1, 5, math.nan])
def test_an_alpha_that_is_no_probability_is_refused(alpha):
    with pytest.raises(ValueError, match="alpha"):
        LadderBet(1.0, "below").crossed(alpha)


@pytest.mark.parametrize("counts", [(1, 2, 3), (3, 0, 2), (-1, -1, 2)])
def test_impossible_counts_are_refused(counts):
    with pytest.raises(ValueError):
        ladder_log_e(*counts)


def test_the_bet_says_where_it_stands():
    bet = LadderBet(1.9, "below")
    bet.bet(1.8)
    assert repr(bet) == f"LadderBet(below 1.9: 1 of 1, 0 beyond 1.71, log_e={bet.log_e:.3f})"
