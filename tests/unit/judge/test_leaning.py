"""What an undecided gate is said to lean to is what more rounds of the same kind decide."""

from __future__ import annotations

import random

import pytest
from unit.virtual import Lab, speedup, used

from pytest_pipeline.judge.leaning import Leaning, lean
from pytest_pipeline.model.finding import Reason, Verdict
from pytest_pipeline.stats.two_ladders import TwoLadders

# Starting with the round that is no event, n rounds hold just as many events as the share says.
MISSING = [1.05, 0.95, 0.95, 0.95, 0.95, 0.95]


def leaning_of(bet, alpha=0.05):
    return lean([(Verdict.MISSED, bet, alpha)])


def test_what_is_projected_is_what_it_takes_when_rounds_stay_alike():
    bet = TwoLadders(1.0, "below")
    for value in MISSING:
        bet.bet(value, None)
    found = leaning_of(bet)
    assert found is not None
    while not bet.crossed(0.05):
        bet.bet(MISSING[bet.rounds % len(MISSING)], None)
    assert bet.rounds == found.needed


def test_the_projection_of_two_ladders_is_what_they_take():
    bet = TwoLadders(1.0, "below")
    for value in MISSING:
        bet.bet(value, value)
    found = leaning_of(bet)
    assert found is not None
    while not bet.crossed(0.05):
        value = MISSING[bet.rounds % len(MISSING)]
        bet.bet(value, value)
    assert bet.rounds == found.needed


@pytest.mark.parametrize("values", [[], [0.95, 1.05] * 10])
def test_rounds_on_both_sides_or_none_lean_to_nothing(values):
    bet = TwoLadders(1.0, "below")
    for value in values:
        bet.bet(value, None)
    assert leaning_of(bet) is None


def test_the_side_that_needs_fewer_rounds_is_named():
    below, above = TwoLadders(1.0, "below"), TwoLadders(1.0, "above")
    for value in MISSING:
        below.bet(value, None)
        above.bet(value, None)
    found = lean([(Verdict.MET, above, 0.01), (Verdict.MISSED, below, 0.05)])
    assert found is not None
    assert found.verdict is Verdict.MISSED


def test_the_sentence_names_the_marker_that_should_hold_the_rounds():
    few, many = Leaning(Verdict.MET, 20, 90), Leaning(Verdict.MET, 100, 140)
    assert '@pytest.mark.measure(budget="90s") should hold' in few.sentence(30, 100, 30.0)
    assert '@pytest.mark.measure(budget="30s", max_rounds=140) should' in many.sentence(
        30, 100, 30.0
    )


def test_a_budget_that_was_extended_already_is_proposed_as_what_its_extension_holds():
    found = Leaning(Verdict.MISSED, 28, 69)
    assert 'budget="80s"' in found.sentence(30, 100, 106.0)  # 4 x 80 s hold 1.2 x 106 s x 69 / 28


def test_the_budget_that_was_not_enough_is_never_proposed_again():
    assert 'budget="40s") should' in Leaning(Verdict.MET, 60, 70).sentence(30, 100, 30.0)


def spread_around(truth, seed):
    """Compare code of `truth` times the effective limit whose executions spread by 13 %; return finding and seconds."""
    draw = random.Random(seed)
    lab = Lab(cpu_share=1.0, usage=used(lambda _: 0.0))
    slowdown = (160 / 82) / (0.95 * 1.8 * truth)
    lab.threads.slowdown = lambda _: slowdown * max(0.5, draw.gauss(1.0, 0.13))
    (finding,) = lab.compare(requirements=[speedup(1.8)], budget_s=30).findings
    return finding, lab.machine.clock.now_ns() / 1e9


@pytest.mark.parametrize("seed", [6, 8, 9])
def test_rounds_that_lean_to_a_side_at_the_deadline_are_given_the_time_to_decide(seed):
    finding, seconds = spread_around(1.06, seed)
    assert finding.verdict is Verdict.MET
    assert 34 < seconds < 120


def test_rounds_that_lean_to_no_side_end_at_the_deadline():
    finding, seconds = spread_around(1.0, seed=0)
    assert finding.reason is Reason.NEAR_LIMIT
    assert seconds < 36
