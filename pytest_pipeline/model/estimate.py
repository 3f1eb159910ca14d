"""A measured quantity with the uncertainty that belongs to it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Estimate:
    """Point value and confidence sequence: an interval that is valid at every look, so that stopping early is allowed.

    Source: betting with a mixture over the rank of the median (`stats.confidence`); Ville's inequality.
    """

    name: str
    """What it is: `speedup`, `p99 latency`, ..."""
    unit: str
    """`x`, `s`, `1/s`, `share` (0-1), `items`, `B` or empty."""
    value: float
    """Median over clean rounds, in `unit`; sample quantile of latencies, failed / items, largest memory reading, median overlap."""
    lower: float | None
    """Lower end, in `unit`; None while the sequence is still unbounded (fewer than 7 rounds at 95 %)."""
    upper: float | None
    """Upper end, in `unit`; None while unbounded."""
    level: float
    """Confidence level, 0-1."""
    count: int
    """Rounds or samples behind it."""
    best: float | None = None
    """What the code did in its best moment, for a speedup the ratio of minima; None for latencies and cold starts."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Latency of items, from entry to the end of the last stage."""

    mean_s: float
    """Arithmetic mean, seconds."""
    p50_s: float
    """Median, seconds (nearest rank, as all percentiles here)."""
    p90_s: float
    """90th percentile, seconds."""
    p99_s: float
    """99th percentile, seconds; the maximum when there are fewer than 100 samples."""
    max_s: float
    """Largest, seconds."""
    count: int
    """Samples."""
    loop: str
    """`open` (from the intended start), `closed` (from admission, at most one item per worker inside),
    or `saturated` (from admission into full queues: it measures them, not the service)."""
    chunk: int = 1
    """Items handed over at a time: each of them has the latency of its chunk."""
