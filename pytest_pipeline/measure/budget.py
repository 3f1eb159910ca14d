"""How long a verdict may take, and what to say when that cannot be enough.

The budget is a soft target: a run that needs longer extends it, up to `HARD_CAP` times, because a
slower build must never turn into a skip. If even the cap cannot hold a clear verdict, the run is
invalid at once, with the numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pytest_pipeline.model.units import show_about
from pytest_pipeline.stats.ladder import rounds_to_decide, rounds_to_decide_within_guard

HARD_CAP = 4.0
"""Most that a budget is extended, as a multiple."""

EXTRA_SHARE = 0.1
"""Share of the budget that one execution beside the rounds, for the explanations, may take at most."""

STREAK_ROUNDS = 1
"""Rounds that only prime the streak of the missed side."""

SMALLEST_CLEAN_SHARE = 0.25
"""Share of clean rounds below which we stop extending: the machine is busy, not the test long."""


@dataclass(frozen=True, slots=True)
class Need:
    """Seconds that verdicts take on this machine now."""

    clear_met_s: float
    """Until a clear met."""
    clear_missed_s: float
    """Until a clear missed, spaced confirmation included."""
    close_s: float
    """Until a verdict when the value is within 10 % of the limit."""


def estimate_need(
    round_s: float, *, clean_share: float, missed: float, met: float, confirm: float
) -> Need:
    """Return the need from the seconds of one round, the clean share seen, and the error rates."""
    each = round_s / max(SMALLEST_CLEAN_SHARE, min(1.0, clean_share))
    clear_visits = rounds_to_decide(confirm)
    close_visits = rounds_to_decide_within_guard(confirm)
    clear = _rounds_to_miss(missed, clear_visits)
    close = rounds_to_decide_within_guard(missed) + STREAK_ROUNDS + 2 * close_visits
    return Need(
        clear_met_s=rounds_to_decide(met) * each,
        clear_missed_s=clear * each + pauses_s(clear_visits),
        close_s=close * each + pauses_s(close_visits),
    )


def estimate_executions_need(round_s: float, *, executions: int, per_round: int) -> Need:
    """Return the need of a gate that counts `executions`, clean or not, `per_round` in each round."""
    seconds = math.ceil(executions / per_round) * round_s
    return Need(clear_met_s=seconds, clear_missed_s=seconds, close_s=seconds)


def pause_s(visit: int) -> float:
    """Return the pause before confirmation visit 0, 1, ...: 0.2 s, doubling, at most 2 s (A2)."""
    return min(2.0, 0.2 * 2.0 ** min(visit, 10))


def pauses_s(visits: int) -> float:
    """Return the seconds that the pauses of `visits` visits take."""
    return sum(pause_s(visit) for visit in range(visits))


def deadline_s(budget_s: float, need: Need) -> float:
    """Return after how many seconds of measuring an open gate is given up, unless its rounds lean to a side."""
    return max(budget_s, min(HARD_CAP * budget_s, need.close_s))


def shortage(budget_s: float, need: Need) -> str:
    """Return why even the extended budget cannot hold a clear verdict, and what to do; or an empty string."""
    if need.clear_missed_s <= HARD_CAP * budget_s:
        return ""
    return (
        f"a clear verdict needs {show_about(need.clear_missed_s)} here, {extended(budget_s)}; "
        f'next: use fewer or smaller items, or @pytest.mark.measure(budget="{_suggestion(need):.0f}s")'
    )


def extended(budget_s: float) -> str:
    """Return how far the budget goes, in words."""
    most = show_about(HARD_CAP * budget_s)
    return f"the budget of {show_about(budget_s)} extends to {most} at most"


def longest_round_s(budget_s: float, *, missed: float, confirm: float) -> float:
    """Return how long a round may be for the extended budget to hold a clear miss, seconds; 0 where no round is short enough."""
    visits = rounds_to_decide(confirm)
    left_s = HARD_CAP * budget_s - pauses_s(visits)
    return max(0.0, left_s) / _rounds_to_miss(missed, visits)


def _rounds_to_miss(missed: float, visits: int) -> int:
    return rounds_to_decide(missed) + STREAK_ROUNDS + 2 * visits


def _suggestion(need: Need) -> float:
    return max(1.0, round(need.clear_missed_s / 2))
