"""Rounds -> the numbers that are shown: medians with a confidence sequence. Never decides."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean, median

from pytest_pipeline.judge.readings import Reading, SpeedupReading
from pytest_pipeline.model.estimate import Estimate, Latency
from pytest_pipeline.model.rounds import Phase, Round
from pytest_pipeline.stats.confidence import median_sequence
from pytest_pipeline.stats.ladder import LadderBet
from pytest_pipeline.stats.quantiles import quantile

DISPLAY_LEVEL = 0.95
"""Level of displayed intervals; verdicts have their own error rates."""


def reading_estimate(
    rounds: Iterable[Round],
    reading: Reading,
    executor: str,
    *,
    name: str,
    unit: str,
    cold: bool = False,
) -> Estimate | None:
    """Return the median of a reading over the clean rounds, or over all measured ones when none is clean."""
    usable = usable_rounds(rounds, executor, cold=cold)
    if not usable:
        return None
    values = [reading.typical(each) for each in usable]
    interval = median_sequence(values, 1 - DISPLAY_LEVEL)
    return Estimate(
        name=name,
        unit=unit,
        value=median(values),
        lower=interval[0] if interval else None,
        upper=interval[1] if interval else None,
        level=DISPLAY_LEVEL,
        count=len(values),
        best=reading.best_ever(usable),
    )


def speedup_estimate(
    rounds: Iterable[Round], baseline: str, executor: str, *, cold: bool = False
) -> Estimate | None:
    """Return baseline / executor over the clean rounds, or over all measured ones when none is clean."""
    name = "cold speedup" if cold else "speedup"
    reading = SpeedupReading(baseline, executor, cold)
    return reading_estimate(rounds, reading, executor, name=name, unit="x", cold=cold)


def usable_rounds(rounds: Iterable[Round], executor: str, *, cold: bool = False) -> list[Round]:
    """Return the rounds that an estimate may use: clean ones, or all when none is clean."""
    measured = [
        each
        for each in rounds
        if each.phase is not Phase.WARM_UP
        and executor in each.makespans_s
        and (not cold or executor in each.startups_s)
    ]
    clean = [each for each in measured if each.is_clean]
    return clean or measured


def fastest_arms(rounds: Iterable[Round], arms: Sequence[str]) -> tuple[str, ...]:
    """Return the fastest of `arms`, and every arm that a paired comparison cannot tell from it.

    An arm is told apart when a ladder bet on "slower than the fastest in the same round" crosses
    at 5 % / (arms - 1). Without a round all that is known is nothing: an empty tuple.
    """
    usable = [each for each in rounds if each.is_clean and each.phase is not Phase.WARM_UP]
    if not usable or not arms:
        return ()
    typical = {arm: [median(each.makespans_s[arm]) for each in usable] for arm in arms}
    first = min(arms, key=lambda arm: median(typical[arm]))
    alpha = (1 - DISPLAY_LEVEL) / max(1, len(arms) - 1)
    return tuple(
        arm for arm in arms if arm == first or not _is_slower(typical[arm], typical[first], alpha)
    )


def _is_slower(times: Sequence[float], fastest: Sequence[float], alpha: float) -> bool:
    bet = LadderBet(1.0, "above")
    for mine, best in zip(times, fastest, strict=True):
        bet.bet(mine / best)
    return bet.crossed(alpha)


def latency_estimate(samples: Sequence[float], name: str) -> Estimate | None:
    """Return the p99 of `samples` (nearest rank); no interval, the verdict counts late items."""
    if not samples:
        return None
    value = quantile(samples, 0.99)
    return Estimate(name, "s", value, None, None, DISPLAY_LEVEL, len(samples))


def summarise_latency(samples: Sequence[float], loop: str, chunk: int = 1) -> Latency | None:
    """Return the latency summary of `samples`, taken in chunks of so many items, or None without any."""
    if not samples:
        return None
    ordered = sorted(samples)
    return Latency(
        mean_s=fmean(ordered),
        p50_s=quantile(ordered, 0.50),
        p90_s=quantile(ordered, 0.90),
        p99_s=quantile(ordered, 0.99),
        max_s=ordered[-1],
        count=len(ordered),
        loop=loop,
        chunk=chunk,
    )
