"""Is a value what it was? By its state, whatever its class calls equal: what a stage has set may change its work."""

from __future__ import annotations

from typing import Any

from pytest_pipeline.measure.checks.arrays import library_comparison
from pytest_pipeline.measure.checks.equality import compare_outputs

_PLAIN = frozenset({bool, int, float, complex, str, bytes, bytearray, type(None)})

_Seen = dict[tuple[int, int], tuple[Any, Any]]
"""Pairs that are being compared or were, by their ids; kept, so that no later object gets the id of one."""


def is_same(before: Any, now: Any, seen: _Seen | None = None) -> bool:
    """Return whether `now` holds what `before`, a copy of it, held; objects may have got more attributes.

    An object that works something out once keeps it in an attribute of its own (`functools.cached_property`).
    """
    seen = {} if seen is None else seen
    if before is now or (id(before), id(now)) in seen:
        return True
    return type(before) is type(now) and _holds_the_same(before, now, seen)


def _holds_the_same(before: Any, now: Any, seen: _Seen) -> bool:
    if type(now) in _PLAIN:
        return bool(before == now or (before != before and now != now))  # noqa: PLR0124 - NaN
    if library_comparison(now) is not None:
        return _are_equal(before, now)
    seen[id(before), id(now)] = before, now
    if type(now) in {list, tuple}:
        return _are_same(before, now, seen)
    if type(now) is dict:
        return _are_same([*before.items()], [*now.items()], seen)
    if type(now) in {set, frozenset}:
        return bool(before == now)
    return _have_same_state(before, now, seen)


def _are_equal(before: Any, now: Any) -> bool:
    try:
        compare_outputs([before], [now], "equal")
    except AssertionError:
        return False
    return True


def _are_same(before: Any, now: Any, seen: _Seen) -> bool:
    return len(before) == len(now) and all(
        is_same(old, new, seen) for old, new in zip(before, now, strict=True)
    )


def _have_same_state(before: Any, now: Any, seen: _Seen) -> bool:
    """Compare what the objects give pickle to make them again."""
    old, new = before.__reduce_ex__(4), now.__reduce_ex__(4)
    if isinstance(old, str) or isinstance(new, str):
        return bool(old == new)
    whole = [*old, None, None, None][:5], [*new, None, None, None][:5]
    (make, args, state, *items), (make_now, args_now, state_now, *items_now) = whole
    return (
        make is make_now
        and is_same(args, args_now, seen)
        and _has_kept(state, state_now, seen)
        and all(
            _are_same([*(a or ())], [*(b or ())], seen)
            for a, b in zip(items, items_now, strict=True)
        )
    )


def _has_kept(before: Any, now: Any, seen: _Seen) -> bool:
    """Whether every attribute of before is still the same; a pair holds those of `__dict__` and of slots."""
    if isinstance(before, tuple) and isinstance(now, tuple) and len(before) == len(now) == 2:
        return all(_has_kept(old, new, seen) for old, new in zip(before, now, strict=True))
    if isinstance(now, dict) and isinstance(before, dict | None.__class__):
        kept = before or {}
        return all(name in now and is_same(old, now[name], seen) for name, old in kept.items())
    return is_same(before, now, seen)
