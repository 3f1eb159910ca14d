"""What `check="close"` allows: a tolerance per type of number, and which one to declare."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from pytest_pipeline.model.plan import Close

_HALF, _BRAIN, _SINGLE, _DOUBLE = (
    Close(1e-3, 1e-5),
    Close(1.6e-2, 1e-5),
    Close(1.3e-6, 1e-5),
    Close(1e-7, 1e-7),
)
_BY_DTYPE = {
    "float16": _HALF,
    "bfloat16": _BRAIN,
    "float32": _SINGLE,
    "float64": _DOUBLE,
    "complex32": _HALF,
    "complex64": _SINGLE,
    "complex128": _DOUBLE,
}
"""Source: the defaults of `torch.testing.assert_close`, torch 2.13."""

_EXACT = Close(0.0, 0.0)

_NUMERIC = "iufc"
"""Kinds of dtypes that have a tolerance; truth, text, dates and objects are equal or not."""

_WHOLE = "iu"
"""Those of whole numbers."""


class ByDtype(Close):
    """`check="close"`: each array or tensor within the tolerance of its own type.

    Plain numbers, frames and float64 arrays get the values of a bare `Close()`: rtol 1e-7. Whole numbers are exact.
    """

    __slots__ = ()


def is_declared(close: Close | None) -> bool:
    """Whether the user has said how far values may be off: `"close"` says so of what is rounded only."""
    return close is not None and not isinstance(close, ByDtype)


def for_tensor(close: Close | None, dtype: object) -> Close:
    """Return the tolerance of a torch tensor; exact for whole numbers with `check="close"`."""
    if close is None or _name(dtype) == "bool":
        return _EXACT
    return _BY_DTYPE.get(_name(dtype), _EXACT) if isinstance(close, ByDtype) else close


def for_array(close: Close | None, dtype: Any) -> Close | None:
    """Return the tolerance of an array or a column; None where it is exact.

    Types narrower than float64 cannot hold rtol 1e-7; whole numbers are exact unless the user says otherwise,
    and what is no number always is.
    """
    kind = getattr(dtype, "kind", "")
    if close is None or kind not in _NUMERIC or (kind in _WHOLE and not is_declared(close)):
        return None
    narrow = _BY_DTYPE.get(_name(dtype), _DOUBLE)
    return narrow if isinstance(close, ByDtype) and narrow is not _DOUBLE else close


def usual(dtype: object, compare: Callable[[Close], None]) -> str:
    """Return what to declare when values differ by no more than arithmetic in another order or on another device does.

    `compare` raises `AssertionError` when they are further apart than a tolerance. Empty when they are,
    or when the type has none.
    """
    close = _BY_DTYPE.get(_name(dtype))
    if close is None:
        return ""
    try:
        compare(close)
    except AssertionError:
        return ""
    return (
        f'; no more than {_name(dtype)} arithmetic on another device may differ: declare check="close" '
        f"(rtol={close.rtol:g}, atol={close.atol:g} for this type) or a Close of your own"
    )


def suggestion(size: float, difference: float) -> str:
    """Return which relative tolerance to declare where rounding may explain the difference from `size`; else nothing."""
    relative = difference / size if size else math.inf
    if not relative < 1e-3:
        return ""
    return f"; relative difference {relative:.1e}: if the arithmetic legitimately differs, declare check=Close(rtol={_round_up(relative):.0e})"


def _round_up(relative: float) -> float:
    return float(10.0 ** math.ceil(math.log10(relative) + 0.01))


def _name(dtype: object) -> str:
    return str(dtype).removeprefix("torch.")
