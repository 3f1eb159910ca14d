"""How many visits were in service at once, from the order of their starts and ends alone.

No length of time enters: the value is the same under every strictly increasing change of the clock, so
a slow, busy or paused machine changes it only as far as it changes which visit began before which
other one ended.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def mean_in_service(started: Ints, finished: Ints) -> float:
    """Return the mean, over all starts, of the visits in service right after that start.

    `started` and `finished` are clock readings, shape (visits,), in any order of rows. The visit
    that starts counts itself; one that ended at the same reading is over. A serial loop has
    exactly 1, w workers that are never all free have at most w; 0 without visits.
    """
    if not len(started):
        return 0.0
    ended_before = np.searchsorted(np.sort(finished), np.sort(started), side="right")
    in_service = np.arange(1, len(started) + 1) - ended_before
    # A visit shorter than a tick of the clock ends at its own start and would not count itself.
    return float(np.maximum(1, in_service).mean())


def most_in_service(started: Ints, finished: Ints) -> int:
    """Return the largest number of visits in service at once; 0 without visits."""
    if not len(started):
        return 0
    ended_before = np.searchsorted(np.sort(finished), np.sort(started), side="right")
    return int(np.maximum(1, np.arange(1, len(started) + 1) - ended_before).max())


def highest_mean(slots: int, visits: int) -> float:
    """Return the largest `mean_in_service` that `slots` worker slots can give in `visits` visits.

    The k-th start finds at most min(k, slots) visits in service, so the mean is at most
    w - w (w - 1) / (2 n) with w = min(slots, n).
    """
    if not visits:
        return 0.0
    width = min(slots, visits)
    return width - width * (width - 1) / (2 * visits)
