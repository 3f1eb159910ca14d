"""Numpy's times as pickle 5 buffers: numpy itself copies them into the pickle, byte by byte.

Dates of a frame are such arrays. No buffer can name their type, so they travel as whole numbers.
"""

from __future__ import annotations

from typing import Any

_SMALLEST_BYTES = 16 * 1024
"""Less than this goes into the pickle anyhow."""


def reduce_times(value: Any) -> Any:
    """Return how to pickle a plain array of dates or durations without a copy; else `NotImplemented`."""
    import numpy as np

    if (
        type(value) is not np.ndarray
        or value.dtype.kind not in "mM"
        or value.nbytes < _SMALLEST_BYTES
    ):
        return NotImplemented
    return _rebuilt, (value.view(np.int64), value.dtype)


def _rebuilt(numbers: Any, dtype: Any) -> Any:
    return numbers.view(dtype)
