"""The error bound, checked on the worst code that still counts as conforming.

Nothing here uses the package's own e-values: the simulation rebuilds them with numpy, and the exact
distribution is computed by dynamic programming over the counts. The classes are then compared with
both. `PIPELINE_CALIBRATION=full` simulates 200 000 runs per cell instead of 20 000.
Figures quoted as "study" are those of the project's notes on statistics, sections A6, B2, B3, F.
"""

import math
import os

import numpy as np
import pytest
from scipy import stats

from pytest_pipeline.stats.confidence import rank_for
from pytest_pipeline.stats.ladder import LadderBet, ladder_log_e
from pytest_pipeline.stats.rate import BlockBet, RateBet
from pytest_pipeline.stats.two_ladders import TwoLadders

RUNS = 200_000 if os.environ.get("PIPELINE_CALIBRATION") == "full" else 20_000
SHALLOW = [(1.0, 0.4), (0.9, 0.4), (0.75, 0.2)]
DEEP = [(1.0, 0.5), (0.8, 0.3), (0.5, 0.2)]
MET = [(1.0, 0.6), (0.999, 0.2), (0.9967, 0.2)]
MISSED = [(0.02, 0.2), (0.05, 0.3), (0.2, 0.3), (0.7, 0.2)]
WORST = (1 / 2, 1 / 4)  # P(value < L), P(value < 0.9 L): all that the null allows


def bernoulli_e(events, rounds, q, bets):
    return sum(
        w * (p / q) ** events * ((1 - p) / (1 - q)) ** (rounds - events).astype(float)
        for p, w in bets
    )


def ladder_e(shallow, deep, rounds):
    return (
        bernoulli_e(shallow, rounds, 1 / 2, SHALLOW) + bernoulli_e(deep, rounds, 1 / 4, DEEP)
    ) / 2


def simulate_ladder(miss, deep_miss, rounds=40, seed=0):
    """Return values and e-processes (runs x rounds) when L = 1 is missed with the given chances."""
    draw = np.random.default_rng(seed).random((RUNS, rounds))
    values = np.where(draw < deep_miss, 0.8, np.where(draw < miss, 0.95, 1.2))
    n = np.arange(1, rounds + 1)
    return values, ladder_e((values < 1).cumsum(1), (values < 0.9).cumsum(1), n)


def simulate_two_ladders(miss, deep_miss, rounds=40, seed=0, allowed=1.0):
    """Return e-processes (runs x rounds) of a gate whose mean values miss L = 1 as often as its best ones.

    Both are drawn apart, the most they can differ; `allowed` is the chance that a round lets the second ladder bet.
    """
    _, best = simulate_ladder(miss, deep_miss, rounds, seed)
    draw, may = np.random.default_rng(seed + 1).random((2, RUNS, rounds))
    bets = may < allowed
    n = bets.cumsum(1)
    mean = ladder_e(((draw < miss) & bets).cumsum(1), ((draw < deep_miss) & bets).cumsum(1), n)
    before = np.concatenate([np.ones((RUNS, 1)), best[:, :-1]], axis=1)
    first = np.where(n.max(1) > 0, (n > 0).argmax(1), 0)
    share = before[np.arange(RUNS), first][:, None]
    return np.where(n > 0, (best + share * mean) / 2, best)


def exact_crossings(miss, deep_miss, alpha, rounds):
    """Return P(E has reached 1/alpha by round n) for n = 1..rounds, without any simulation."""
    mass = np.zeros((rounds + 1, rounds + 1))  # indexed by shallow and deep events
    mass[0, 0] = 1.0
    shallow, deep = np.indices(mass.shape)
    crossed = []
    for n in range(1, rounds + 1):
        moved = (1 - miss) * mass
        moved[1:, :] += (miss - deep_miss) * mass[:-1, :]
        moved[1:, 1:] += deep_miss * mass[:-1, :-1]
        possible = (shallow <= n) & (deep <= shallow)
        e = ladder_e(np.minimum(shallow, n), np.minimum(deep, n), np.full_like(shallow, n))
        decided = possible & (e >= 1 / alpha)
        crossed.append(moved[decided].sum())
        mass = np.where(decided, 0.0, moved)
    return np.cumsum(crossed)


def agrees(hits, runs, probability):
    """Whether a simulated count is within what chance allows (four standard deviations)."""
    return abs(hits - runs * probability) <= 4 * math.sqrt(runs * probability * (1 - probability))


@pytest.mark.parametrize(("alpha", "study"), [(0.05, 0.038), (0.01, 0.0051), (0.001, 0.00069)])
def test_conforming_code_at_the_very_limit_fails_less_often_than_promised(alpha, study):
    _, e = simulate_ladder(*WORST)
    hits = (e.max(1) >= 1 / alpha).sum()
    exact = exact_crossings(*WORST, alpha, 40)[-1]
    assert hits / RUNS <= alpha
    assert agrees(hits, RUNS, exact)
    assert exact == pytest.approx(study, rel=0.05)


@pytest.mark.parametrize("allowed", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("alpha", [0.05, 0.01, 0.001])
def test_betting_on_means_too_does_not_break_the_promise(alpha, allowed):
    e = simulate_two_ladders(*WORST, rounds=100, allowed=allowed)
    assert (e.max(1) >= 1 / alpha).mean() <= alpha


def test_the_two_ladders_of_the_package_are_those_that_are_simulated():
    e = simulate_two_ladders(*WORST, rounds=30, allowed=0.3)[:20]
    values, _ = simulate_ladder(*WORST, rounds=30)
    draw, may = np.random.default_rng(1).random((2, RUNS, 30))
    for run in range(20):
        bet = TwoLadders(1.0, "below")
        for k in range(30):
            mean = 0.8 if draw[run, k] < 1 / 4 else 0.95 if draw[run, k] < 1 / 2 else 1.2
            bet.bet(values[run, k], mean if may[run, k] < 0.3 else None)
            assert bet.log_e == pytest.approx(np.log(e[run, k]), abs=1e-6)


@pytest.mark.parametrize(("alpha", "study"), [(0.05, 0.040), (0.01, 0.0058), (0.001, 0.00078)])
def test_looking_two_hundred_times_does_not_break_the_promise(alpha, study):
    exact = exact_crossings(*WORST, alpha, 200)[-1]
    assert exact <= alpha
    assert exact == pytest.approx(study, rel=0.1)


@pytest.mark.parametrize("alpha", [0.05, 0.01, 0.001])
@pytest.mark.parametrize(
    ("miss", "deep_miss"), [(0.5, 0.0), (0.5, 0.1), (0.4, 0.25), (0.25, 0.25), (0.0, 0.0)]
)
def test_every_other_conforming_code_fails_even_less_often(alpha, miss, deep_miss):
    assert (
        exact_crossings(miss, deep_miss, alpha, 100)[-1] <= exact_crossings(*WORST, alpha, 100)[-1]
    )


def test_a_conforming_code_that_turns_slow_in_streaks_is_still_safe():
    """Rounds need not be independent: the chance may depend on the past as long as it obeys q."""
    rng = np.random.default_rng(7)
    shallow = np.zeros(RUNS)
    deep = np.zeros(RUNS)
    crossed = np.zeros(RUNS, dtype=bool)
    for n in range(1, 41):
        eager = ladder_e(shallow, deep, np.full(RUNS, n - 1)) > 1  # slower only while it is ahead
        draw = rng.random(RUNS)
        shallow += draw < np.where(eager, 0.5, 0.45)
        deep += draw < np.where(eager, 0.25, 0.2)
        crossed |= ladder_e(shallow, deep, np.full(RUNS, n)) >= 1000
    assert crossed.mean() <= 0.001


def test_the_package_computes_what_the_simulation_computes():
    values, e = simulate_ladder(*WORST)
    for row, expected in zip(values[:100], np.log(e[:100]), strict=True):
        below, above = LadderBet(1.0, "below"), LadderBet(1.0, "above")
        for value, log_e in zip(row.tolist(), expected, strict=True):
            below.bet(value)
            above.bet(1 / value)
            assert below.log_e == pytest.approx(log_e, abs=1e-9)
            assert above.log_e == below.log_e
    shallow, deep = np.tril_indices(41)
    expected = np.log(ladder_e(shallow, deep, np.full_like(shallow, 40)))
    pairs = zip(shallow.tolist(), deep.tolist(), strict=True)
    assert [ladder_log_e(s, d, 40) for s, d in pairs] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("miss", "deep_miss", "median", "p95"),
    [
        (1, 1, 6, 6),
        (1, 0.9, 6, 12),
        (0.98, 0.5, 12, 19),
        (1, 0, 12, 12),
        (0.95, 0.1, 12, 26),
        (0.9, 0.3, 22, 40),
    ],
)
def test_a_regression_is_found_within_the_rounds_of_the_study(miss, deep_miss, median, p95):
    found = exact_crossings(miss, deep_miss, 0.001, 100)
    assert abs(1 + np.searchsorted(found, 0.5) - median) <= 1
    assert abs(1 + np.searchsorted(found, 0.95) - p95) <= 3 or p95 == 40  # the study stopped at 40


@pytest.mark.parametrize(("miss", "deep_miss", "decided"), [(0.75, 0.2, 0.24), (0.6, 0.1, 0.0066)])
def test_a_mild_regression_is_left_undecided_as_often_as_in_the_study(miss, deep_miss, decided):
    assert exact_crossings(miss, deep_miss, 0.001, 40)[-1] == pytest.approx(decided, rel=0.15)


@pytest.mark.parametrize(("alpha", "study"), [(0.05, 0.029), (0.01, 0.004)])
def test_the_displayed_interval_covers_the_median_at_every_round_at_once(alpha, study):
    mass = np.zeros(41)  # by the number of values below the median
    mass[0] = 1.0
    missed = 0.0
    below = np.arange(41)
    for n in range(1, 41):
        mass = (mass + np.roll(mass, 1)) / 2
        rank = rank_for(n, alpha)
        outside = (np.minimum(below, n - below) < rank) & (below <= n)
        missed += mass[outside].sum()
        mass[outside] = 0.0
    assert missed <= alpha
    assert missed == pytest.approx(study, rel=0.15)


def exact_rate_crossing(late, *, side, alpha, samples=2000):
    """Return P(decided within `samples`) at a chance `late` per sample, by dynamic programming."""
    lates = np.arange(samples + 1)
    mass = np.zeros(samples + 1)
    mass[0] = 1.0
    total = 0.0
    for n in range(1, samples + 1):
        mass = (1 - late) * mass + late * np.concatenate(([0.0], mass[:-1]))
        reach = lates[: min(n, 150) + 1]  # more than 150 late of 2000 never happens at the limit
        counts = np.full_like(reach, n)
        if side == "met":
            e = bernoulli_e(counts - reach, counts, 0.99, MET)
        else:
            e = bernoulli_e(reach, counts, 0.01, MISSED)
        decided = np.flatnonzero(e >= 1 / alpha)
        total += mass[decided].sum()
        mass[decided] = 0.0
    return total


@pytest.mark.parametrize(
    ("side", "alpha", "exact"),
    [("met", 0.05, 0.0479), ("met", 0.01, None), ("missed", 0.001, 0.00049)],
)
def test_a_p99_exactly_at_its_limit_is_decided_no_more_often_than_promised(side, alpha, exact):
    # the study simulated 0.052 and 0.0008 in 5 000 runs: the same within its noise of 0.003 and 0.0004
    decided = exact_rate_crossing(0.01, side=side, alpha=alpha)
    assert decided <= alpha
    if exact is not None:
        assert decided == pytest.approx(exact, rel=0.02)


@pytest.mark.parametrize(("late", "study"), [(0.0025, 0.936), (0.005, 0.466), (0.02, 0.002)])
def test_a_p99_is_met_as_often_as_in_the_study(late, study):
    assert exact_rate_crossing(late, side="met", alpha=0.05) == pytest.approx(study, abs=0.02)


def test_a_p99_twice_over_its_budget_is_missed_as_often_as_in_the_study():
    assert exact_rate_crossing(0.02, side="missed", alpha=0.001) == pytest.approx(0.518, abs=0.02)


@pytest.mark.parametrize(("side", "alpha"), [("met", 0.05), ("missed", 0.001)])
def test_simulated_p99_gates_agree_with_the_exact_distribution(side, alpha):
    n, counts = np.arange(1, 2001)[:, None], np.arange(101)[None, :]
    late = np.minimum(counts, n)  # more than 100 late of 2000 never happens at the limit
    bets = (n - late, n, 0.99, MET) if side == "met" else (late, n, 0.01, MISSED)
    decides = bernoulli_e(*bets) >= 1 / alpha
    rng = np.random.default_rng(11)
    hits = 0
    for _ in range(RUNS // 2000):
        seen = (rng.random((2000, 2000), dtype=np.float32) < 0.01).cumsum(1, dtype=np.int16)
        hits += decides[np.arange(2000), np.minimum(seen, 100)].any(1).sum()
    assert agrees(hits, RUNS, exact_rate_crossing(0.01, side=side, alpha=alpha))


def test_the_package_computes_what_the_p99_simulation_computes():
    for late, samples in [(0, 319), (1, 400), (3, 50), (20, 2000), (7, 7)]:
        met, missed = RateBet("met"), RateBet("missed")
        met.bet_many(late, samples)
        missed.bet_many(late, samples)
        count, in_time, all_of = np.array(late), np.array(samples - late), np.array(samples)
        assert met.log_e == pytest.approx(math.log(bernoulli_e(in_time, all_of, 0.99, MET)))
        assert missed.log_e == pytest.approx(math.log(bernoulli_e(count, all_of, 0.01, MISSED)))


def block_e(shares):
    stakes = np.array([2, 10, 40, 99])
    return np.exp(np.log1p(stakes * (shares[..., None] - 0.01)).cumsum(1)).mean(-1)


def late_shares(kind, rng, blocks=30, size=100):
    """Return block late shares with mean 1 %, from independent lates to whole blocks late."""
    if kind == "independent":
        return rng.binomial(size, 0.01, (RUNS, blocks)) / size
    if kind == "stalls of 20":
        return rng.binomial(size // 20, 0.01, (RUNS, blocks)) * 20 / size
    return (rng.random((RUNS, blocks)) < 0.01).astype(float)


@pytest.mark.parametrize("kind", ["independent", "stalls of 20", "whole blocks"])
def test_a_p99_at_its_limit_is_never_called_missed_too_often_whatever_the_stalls(kind):
    e = block_e(late_shares(kind, np.random.default_rng(13)))
    hits = (e.max(1) >= 1000).sum()
    # the true probability is at most 0.001 (Ville); the count may exceed its mean by chance
    assert hits <= stats.binom.ppf(0.9999, RUNS, 0.001)


@pytest.mark.parametrize(("late", "study"), [(0.10, 4), (0.03, 10)])
def test_a_p99_far_over_its_limit_is_missed_within_the_blocks_of_the_study(late, study):
    rng = np.random.default_rng(17)
    e = block_e(rng.binomial(100, late, (5000, 40)) / 100)
    crossed = e >= 1000
    first = np.where(crossed.any(1), crossed.argmax(1) + 1, 41)
    assert abs(np.median(first) - study) <= 1


def test_the_package_computes_what_the_block_simulation_computes():
    shares = np.random.default_rng(19).random((20, 15)) * 0.3
    for row, expected in zip(shares, np.log(block_e(shares)), strict=True):
        bet = BlockBet()
        for share, log_e in zip(row.tolist(), expected, strict=True):
            bet.bet(share)
            assert bet.log_e == pytest.approx(log_e, abs=1e-9)
