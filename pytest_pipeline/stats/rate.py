"""Gates on a rate: "p99 <= max" means that at most 1 % of the samples are late.

`RateBet` bets sample by sample and is valid when samples are independent; `BlockBet` bets on the
late share of whole blocks and is valid for any dependence inside a block. PASS comes from the
former, slowed down by `run_length`; FAIL from the latter. Throughout, t = 1 - quantile is the tail
share that the requirement allows (0.01 for p99). Source: the project's study, sections B2 and B3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Literal

from pytest_pipeline.stats.eprocess import BernoulliMixture, log_average, log_threshold
from pytest_pipeline.stats.quantiles import quantile as nearest_rank

P99 = 0.99

_MET_TAILS = ((0.0, 0.6), (0.1, 0.2), (0.33, 0.2))
"""Met side, pairs (late share / t, weight): at p99 these are late shares of 0, 0.1 % and 0.33 %."""

_MISSED_TAILS_AT_P99 = ((0.02, 0.2), (0.05, 0.3), (0.2, 0.3), (0.7, 0.2))
"""Missed side at p99, pairs (late share, weight); elsewhere odds keep their ratio to t's odds."""

_BLOCK_STAKES = (0.02, 0.1, 0.4, 0.99)
"""Stakes lambda_k x t of a block bet: lambda is 2, 10, 40, 99 at p99. Below 1: no block ruins E."""


class RateBet:
    """Sample-level bets for one side of a rate gate.

        side "met":    event = in time, null P(event | past) <= quantile
        side "missed": event = late,    null P(event | past) <= 1 - quantile

    E of the met side grows while hardly any sample is late. Raises `ValueError` for a quantile
    outside (0, 1) or an unknown side.
    """

    __slots__ = ("_late", "_mixture", "_samples", "_side")

    def __init__(self, side: Literal["met", "missed"], *, quantile: float = P99) -> None:
        if side not in ("met", "missed"):
            raise ValueError(f'side={side!r} is neither "met" nor "missed"')
        self._side = side
        self._mixture = _met_mixture(quantile) if side == "met" else _missed_mixture(quantile)
        self._samples = self._late = 0

    def __repr__(self) -> str:
        return (
            f"RateBet({self._side}: {self._late} late of {self._samples}, log_e={self.log_e:.3f})"
        )

    def bet(self, late: bool) -> None:
        """Place the bet of one sample."""
        self.bet_many(int(late), 1)

    def bet_many(self, late: int, samples: int) -> None:
        """Place the bets of `samples` samples of which `late` were late.

        Raises `ValueError` on impossible counts.
        """
        if not 0 <= late <= samples:
            raise ValueError(f"late={late} of samples={samples} is impossible")
        self._late += late
        self._samples += samples

    def crossed(self, alpha: float, *, deff: float = 1.0) -> bool:
        """Whether (ln E) / deff >= ln(1/alpha) now.

        `deff` >= 1 (see `run_length`) slows the clock of dependent samples.
        """
        return self.log_e / _checked_deff(deff) >= log_threshold(alpha)

    @property
    def log_e(self) -> float:
        """Log e-value: 0 before the first sample."""
        events = self._late if self._side == "missed" else self._samples - self._late
        return self._mixture.log_e(events, self._samples)

    @property
    def samples(self) -> int:
        """How many samples were bet on."""
        return self._samples

    @property
    def late(self) -> int:
        """How many of them were late."""
        return self._late


class BlockBet:
    """Bets that the late share of whole blocks is above t = 1 - quantile: the missed side of p99.

    E = average over k of prod_b (1 + lambda_k (y_b - t)), y_b the late share of block b, lambda_k t
    = 0.02, 0.1, 0.4, 0.99. Each factor has mean at most 1 while E[y_b | past] <= t, whatever the
    dependence inside a block. Raises `ValueError` for a quantile outside (0, 1).
    """

    __slots__ = ("_blocks", "_log_paths", "_tail")

    def __init__(self, *, quantile: float = P99) -> None:
        self._tail = _tail(quantile)
        self._blocks = 0
        self._log_paths = [0.0] * len(_BLOCK_STAKES)

    def __repr__(self) -> str:
        return f"BlockBet({self._blocks} blocks, log_e={self.log_e:.3f})"

    def bet(self, late_share: float) -> None:
        """Place the bet of one block; `late_share` is in [0, 1], else `ValueError`."""
        if not 0 <= late_share <= 1:
            raise ValueError(f"late_share={late_share!r} is not a share between 0 and 1")
        self._blocks += 1
        surplus = late_share / self._tail - 1
        for k, stake in enumerate(_BLOCK_STAKES):
            self._log_paths[k] += math.log1p(stake * surplus)

    def crossed(self, alpha: float) -> bool:
        """Whether E >= 1/alpha now; checking after every block keeps the error below `alpha`."""
        return self.log_e >= log_threshold(alpha)

    @property
    def log_e(self) -> float:
        """Log e-value: 0 before the first block."""
        return log_average(self._log_paths)

    @property
    def log_paths(self) -> tuple[float, ...]:
        """The log of each component, one per stake, smallest stake first."""
        return tuple(self._log_paths)

    @property
    def blocks(self) -> int:
        """How many blocks were bet on."""
        return self._blocks


def run_length(samples: Sequence[float]) -> float:
    """Return deff of one block: the mean length of runs of samples above the block's own p90.

    At least 1; about 1.1 for independent samples; 1 where nothing lies above (all equal, no
    samples). It is the inverse of the extremal index by the runs estimator, an estimate and not a
    bound: a met p99 assumes stalls no longer.
    """
    return pooled_run_length((samples,))


def pooled_run_length(blocks: Iterable[Sequence[float]]) -> float:
    """Return deff over several blocks: samples above their own block's p90, per run; at least 1."""
    above = runs = 0
    for block in blocks:
        marks = _above_own_p90(block)
        above += sum(marks)
        runs += sum(now and not before for before, now in zip([False, *marks], marks, strict=False))
    return max(1.0, above / runs) if runs else 1.0


def samples_to_certify(alpha: float, *, deff: float = 1.0, quantile: float = P99) -> int:
    """Return the fewest samples, none of them late, after which "met" is decided.

    319 at 5 %, 486 at 1 % for p99: the smallest n with ln E_met(0 late of n) >= deff ln(1/alpha).
    A gate with fewer samples can never be met.
    """
    mixture = _met_mixture(quantile)
    height = log_threshold(alpha) * _checked_deff(deff)
    return _first(lambda n: mixture.log_e(n, n) >= height)


def blocks_to_miss(alpha: float, *, late_share: float = 1.0, quantile: float = P99) -> int | None:
    """Return the blocks after which "missed" is decided when each has the same late share.

    2 at 0.1 % where all samples are late; None where that share does not exceed 1 - quantile, since
    such a block adds no evidence.
    """
    block = BlockBet(quantile=quantile)
    block.bet(late_share)
    if late_share <= _tail(quantile):
        return None
    paths = block.log_paths
    height = log_threshold(alpha)
    return _first(lambda n: log_average([n * path for path in paths]) >= height)


def _first(decided: Callable[[int], bool]) -> int:
    """Return the smallest n >= 1 at which `decided`, which never turns false again, is true."""
    high = 1
    while not decided(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if decided(middle) else (middle, high)
    return high


def _tail(quantile: float) -> float:
    """Return t = 1 - quantile, rounded so that 0.99 gives 0.01 and not 0.010000000000000009."""
    if not 0 < quantile < 1:
        raise ValueError(f"quantile={quantile!r} is not strictly between 0 and 1")
    return round(1 - quantile, 12) or 1 - quantile


@cache
def _met_mixture(quantile: float) -> BernoulliMixture:
    tail = _tail(quantile)
    return BernoulliMixture(
        1 - tail, tuple((1 - tail * share, weight) for share, weight in _MET_TAILS)
    )


@cache
def _missed_mixture(quantile: float) -> BernoulliMixture:
    tail = _tail(quantile)
    scale = _odds(tail) / _odds(1 - P99)
    return BernoulliMixture(
        tail, tuple((_share(scale * _odds(p)), w) for p, w in _MISSED_TAILS_AT_P99)
    )


def _odds(share: float) -> float:
    return share / (1 - share)


def _share(odds: float) -> float:
    return odds / (1 + odds)


def _checked_deff(deff: float) -> float:
    if not 1 <= deff < math.inf:
        raise ValueError(f"deff={deff!r} is not a finite number of at least 1")
    return deff


def _above_own_p90(block: Sequence[float]) -> list[bool]:
    if not block:
        return []
    edge = nearest_rank(block, 0.90)
    return [sample > edge for sample in block]
