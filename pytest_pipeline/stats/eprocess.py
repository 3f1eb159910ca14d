"""The e-process that every count-based gate shares: a mixture of Bernoulli bets.

An e-process starts at 1 and is a non-negative supermartingale while its null hypothesis holds, so
by Ville's inequality P(it ever reaches 1/alpha) <= alpha, whatever the stopping rule, the budget or
the peeking. Source: Ville 1939; Waudby-Smith and Ramdas 2024; the project's study of decision
rules, section A2.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


def log_threshold(alpha: float) -> float:
    """Return ln(1/alpha), the height at which a log e-process decides with error at most `alpha`.

    `alpha` is a probability, 0 < alpha < 1. Raises `ValueError` otherwise.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha={alpha!r} is not a probability strictly between 0 and 1")
    return -math.log(alpha)


def log_sum_exp(terms: Iterable[float]) -> float:
    """Return ln(sum of exp(terms)) without overflow; -inf for no terms or only -inf."""
    values = list(terms)
    top = max(values, default=-math.inf)
    if math.isinf(top):
        return top
    return top + math.log(math.fsum(math.exp(value - top) for value in values))


@dataclass(frozen=True, slots=True)
class BernoulliMixture:
    """Bets that events happen more often than the null rate q allows.

        E(a, n) = sum_k w_k (p_k/q)^a ((1-p_k)/(1-q))^(n-a)      for a events in n trials

    With every p_k >= q one trial multiplies E by a factor of mean at most 1 while
    P(event | past) <= q, and exactly 1 at P = q. E depends on the trials only through (a, n), so
    their order does not matter. Construction raises `ValueError` for bets that break this.
    """

    null_rate: float
    """q: the largest event probability that the null hypothesis allows, in (0, 1)."""

    bets: tuple[tuple[float, float], ...]
    """Pairs (p_k, w_k): alternative event probability in [q, 1], weight; the weights sum to 1."""

    def __post_init__(self) -> None:
        if not 0 < self.null_rate < 1:
            raise ValueError(f"null_rate={self.null_rate!r} is not strictly between 0 and 1")
        if not all(self.null_rate <= p <= 1 and w > 0 for p, w in self.bets):
            raise ValueError(f"bets={self.bets!r} need null_rate <= p <= 1 and positive weights")
        if not math.isclose(math.fsum(w for _, w in self.bets), 1.0, abs_tol=1e-12):
            raise ValueError(f"the weights of bets={self.bets!r} do not sum to 1")

    def log_e(self, events: int, trials: int) -> float:
        """Return ln E after `events` of `trials`; 0 with no trials.

        Raises `ValueError` on impossible counts.
        """
        if not 0 <= events <= trials:
            raise ValueError(f"events={events} of trials={trials} is impossible")
        if not trials:
            return 0.0  # exactly, where the weights' rounding would leave 1e-16
        misses = trials - events
        return log_sum_exp(math.log(w) + self._log_path(p, events, misses) for p, w in self.bets)

    def _log_path(self, p: float, events: int, misses: int) -> float:
        """Return ln of one component; one that bet everything (p = 1) is ruined by a miss."""
        if p == 1 and misses:
            return -math.inf
        lost = misses * (math.log1p(-p) - math.log1p(-self.null_rate)) if misses else 0.0
        return events * (math.log(p) - math.log(self.null_rate)) + lost


def log_average(log_es: Sequence[float]) -> float:
    """Return ln of the average of e-processes: an e-process for the intersection of their nulls."""
    if not log_es:
        raise ValueError("no e-process to average")
    return log_sum_exp(log_es) - math.log(len(log_es))
