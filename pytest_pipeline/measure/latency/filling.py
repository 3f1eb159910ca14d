"""Batches that fill at a rate: how long an item waits there for the others."""

from __future__ import annotations

import numpy as np

from pytest_pipeline.model.plan import Arrivals
from pytest_pipeline.model.units import show_seconds, show_share
from pytest_pipeline.stats.rate import P99


def never_in_time(
    arrivals: Arrivals | None, *, full_batch: int, num_items: int, limit_s: float
) -> str:
    """Return why too many items wait longer than `limit_s` for their batch alone, or an empty string.

    A batch is full when its last item has arrived, whatever the workers do. Items at even distances only: of
    random ones nothing is certain.
    """
    if arrivals is None or arrivals.distribution != "constant" or full_batch == 1:
        return ""
    item = np.arange(num_items)
    last = np.minimum((item // full_batch + 1) * full_batch, num_items) - 1
    late = float(np.mean((last - item) / arrivals.rate > limit_s))
    if late <= 1 - P99:
        return ""
    fill_s = (min(full_batch, num_items) - 1) / arrivals.rate
    return (
        f"a batch of {full_batch} is full {show_seconds(fill_s)} after its first item at {arrivals.rate:g}/s, so that "
        f"{show_share(late)} of the items wait too long before any stage has them; use a smaller batch or a higher rate"
    )
