"""Confidence sequences for a median and for a share: intervals that stay valid however often one looks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from pytest_pipeline.stats.eprocess import log_threshold


def rank_for(n: int, alpha: float = 0.05) -> int:
    """Return j so that [r_(j), r_(n+1-j)] covers the median, level 1 - `alpha` for all n at once.

    j = the largest k <= (n+1)/2 with

        n ln 2 + ln B(k - 1/2, n - k + 3/2) - ln B(1/2, 1/2) >= ln(1/alpha)

    the Krichevsky-Trofimov mixture against a fair coin, B the beta function; 0 means unbounded.
    At 5 %: 1 from n = 7, 2 at 12, 4 at 20, 7 at 30, 11 at 40. Raises `ValueError` for n < 0 or
    alpha outside (0, 1). Source: the project's study, section A6.
    """
    if n < 0:
        raise ValueError(f"n={n!r} is below 0")
    height = log_threshold(alpha)
    rank = 0
    while rank + 1 <= (n + 1) // 2 and _log_kt(rank, n) >= height:
        rank += 1
    return rank


def median_sequence(values: Iterable[float], alpha: float = 0.05) -> tuple[float, float] | None:
    """Return the interval for the median behind `values`, in their unit; None while unbounded.

    P(the interval misses the median at any n) <= `alpha` for independent rounds with a common
    median. At 5 % it takes 7 values. For display: a verdict is decided by its e-process, which is
    sharper. Raises `ValueError` for NaN.
    """
    ordered = sorted(values)
    if any(math.isnan(value) for value in ordered):
        raise ValueError("cannot order values with NaN among them")
    rank = rank_for(len(ordered), alpha)
    return (ordered[rank - 1], ordered[-rank]) if rank else None


def share_sequence(events: int, trials: int, alpha: float = 0.05) -> tuple[float, float]:
    """Return the interval for the probability behind `events` of `trials`, both ends in [0, 1].

    P(the interval misses the probability at any n) <= `alpha` for independent trials: it holds every
    p against which the Krichevsky-Trofimov mixture stays below 1/alpha,

        ln B(a + 1/2, n - a + 1/2) - ln B(1/2, 1/2) - a ln p - (n - a) ln(1 - p) < ln(1/alpha)

    0 of 100 at 5 %: up to 5.7 % (a Wilson interval for an n fixed beforehand: 3.7 %). Raises
    `ValueError` on impossible counts. Source: Ville 1939 on the mixture of section A6.
    """
    if not 0 <= events <= trials:
        raise ValueError(f"events={events} of trials={trials} is impossible")
    height = log_threshold(alpha)

    def is_excluded(p: float) -> bool:
        return _log_kt_against(p, events, trials) >= height

    middle = events / trials if trials else 0.5
    return _edge(is_excluded, 0.0, middle), _edge(is_excluded, 1.0, middle)


def _edge(is_excluded: Callable[[float], bool], outside: float, inside: float) -> float:
    """Return where exclusion begins between `inside` (kept) and `outside`, to 12 digits."""
    if not is_excluded(outside):
        return outside
    for _ in range(60):
        halfway = (outside + inside) / 2
        if is_excluded(halfway):
            outside = halfway
        else:
            inside = halfway
    return outside


def _log_kt_against(p: float, events: int, trials: int) -> float:
    """Return ln of the Krichevsky-Trofimov e-value against probability `p`; inf where `p` forbids what was seen."""
    misses = trials - events
    if (events and p == 0) or (misses and p == 1):
        return math.inf
    null = (events * math.log(p) if events else 0.0) + (misses * math.log1p(-p) if misses else 0.0)
    return _log_beta(events + 0.5, misses + 0.5) - _log_beta(0.5, 0.5) - null


def _log_kt(successes: int, trials: int) -> float:
    """Return ln of the Krichevsky-Trofimov e-value against probability 1/2."""
    return (
        trials * math.log(2)
        + _log_beta(successes + 0.5, trials - successes + 0.5)
        - _log_beta(0.5, 0.5)
    )


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
