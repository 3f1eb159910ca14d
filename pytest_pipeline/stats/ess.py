"""How many independent samples a correlated series is worth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise


def lag1_autocorrelation(values: Sequence[float]) -> float:
    """Return r_1 = sum (x_i - m)(x_{i+1} - m) / sum (x_i - m)^2, m the mean.

    0 for constant values and for n < 3.
    """
    if len(values) < 3:
        return 0.0
    mean = math.fsum(values) / len(values)
    centred = [value - mean for value in values]
    total = math.fsum(x * x for x in centred)
    return math.fsum(x * y for x, y in pairwise(centred)) / total if total > 0 else 0.0


def effective_sample_size(values: Sequence[float]) -> float:
    """Return n (1 - r_1) / (1 + r_1): how many independent samples n values are worth.

    Between 1 and n: a negative r_1 is taken as 0, so that alternation never counts for more than n;
    0 for no values. Source: Bayley and Hammersley 1946, for an autoregressive series of order one.
    """
    if not values:
        return 0.0
    rho = max(0.0, lag1_autocorrelation(values))
    return max(1.0, len(values) * (1 - rho) / (1 + rho))
