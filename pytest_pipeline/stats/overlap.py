"""How many visits were in service at once, from the order of their starts and ends alone.

No length of time enters: the value is the same under every strictly increasing change of the clock, so
a slow, busy or paused machine changes it only as far as it changes which visit began before which
other one ended.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def mean_overlap(started: Ints, finished: Ints) -> float:
    """Return the mean, over all visits, of the visits in service at the fullest moment of each.

    `started` and `finished` are clock readings, shape (visits,), in any order of rows. A visit counts
    itself; one that ended at the reading at which another starts is over. A serial loop has exactly
    1, w worker slots have at most w, and exactly w when none of them rests while another works,
    whether they start together or one after the other (a mean over starts would call workers that
    run in step half as many). 0 without visits.
    """
    if not len(started):
        return 0.0
    order = np.argsort(started, kind="stable")
    started, finished = started[order], finished[order]
    lasting = (
        finished > started
    )  # shorter than a tick of the clock: overlaps nothing, counts itself
    started, finished = started[lasting], finished[lasting]
    fullest = _fullest_moments(started, finished)
    return float((fullest.sum() + (~lasting).sum()) / len(lasting))


def most_in_service(started: Ints, finished: Ints) -> int:
    """Return the largest number of visits in service at once; 0 without visits."""
    if not len(started):
        return 0
    return max(1, int(_in_service(np.sort(started), finished).max()))


def _in_service(started: Ints, finished: Ints) -> Ints:
    """Return the visits in service right after each of the starts, which are sorted."""
    ended_before = np.searchsorted(np.sort(finished), started, side="right")
    return np.arange(1, len(started) + 1) - ended_before


def _fullest_moments(started: Ints, finished: Ints) -> Ints:
    """Return per visit the largest count between its start and its end; counts only rise at starts."""
    counts = _in_service(started, finished)
    first = np.arange(len(started))
    past = np.searchsorted(started, finished, side="left")
    return _largest_between(counts, first, past)


def _largest_between(values: Ints, first: Ints, past: Ints) -> Ints:
    """Return max(values[first:past]) for each pair; every range holds at least one value.

    Sparse table: level k holds the maxima of 2^k neighbours, and two of them cover any range.
    """
    found = np.zeros_like(values)
    level, width = values, 1
    while len(level):
        fits = (past - first >= width) & (past - first < 2 * width)
        found[fits] = np.maximum(level[first[fits]], level[past[fits] - width])
        level = np.maximum(level[:-width], level[width:])
        width *= 2
    return found
