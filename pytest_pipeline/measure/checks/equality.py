"""Are two lists of outputs the same? Exactly, within a declared tolerance, or by the user's own check."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Number
from typing import Any

from pytest_pipeline.errors import UsageError
from pytest_pipeline.measure.checks.arrays import library_comparison, objects_of
from pytest_pipeline.measure.checks.parts import parts_of
from pytest_pipeline.measure.checks.sameness import (
    Mismatch,
    at,
    hashable,
    incomparable,
    is_equal,
    no_equality,
    short,
)
from pytest_pipeline.measure.checks.tolerance import ByDtype, is_declared, suggestion
from pytest_pipeline.model.plan import Close

_PLAIN = frozenset({bool, bytes, float, int, str, type(None)})
"""Types of which long lists are made, and whose `==` has one answer: compared at once."""

Check = str | Close | Callable[[Any, Any], object] | None


def validate_check(check: Check) -> None:
    """Raise `UsageError` for a check that is not one of the accepted kinds."""
    is_named = isinstance(check, str) and check in {"equal", "close"}
    is_function = callable(check) and not isinstance(check, type)
    if check is None or isinstance(check, Close) or is_function or is_named:
        return
    # The class itself, called with two outputs, would make one, which is true.
    hint = ": write Close()" if check is Close else ""
    raise UsageError(
        f'check={check!r}{hint}: expected "equal", "close", Close(rtol=, atol=), '
        "a function (expected, actual) that raises or returns False, or None"
    )


def check_name(check: Check) -> str:
    """Return how reports name the check."""
    if check is None:
        return "outputs not compared"
    if isinstance(check, Close):
        return f"close (rtol={check.rtol:g}, atol={check.atol:g})"
    return check if isinstance(check, str) else "custom check"


def compare_outputs(
    expected: list[Any], actual: list[Any], check: Check, *, items: Sequence[int] | None = None
) -> None:
    """Raise `Mismatch` naming the first differing output; other exceptions of a user's check pass through.

    `items` are the indices of the items that the outputs belong to, by default 0, 1, 2, ...
    """
    if check is None:
        return
    if len(expected) != len(actual):
        raise Mismatch(f"{len(actual)} outputs instead of {len(expected)}")
    indices = range(len(expected)) if items is None else items
    for index, want, got in zip(indices, expected, actual, strict=True):
        try:
            _compare_one(want, got, check)
        except AssertionError as difference:
            text = f"output {index} differs: {_first_line(difference)}"
            raise Mismatch(text, item=index) from difference


def _compare_one(want: Any, got: Any, check: Check) -> None:
    if callable(check) and not isinstance(check, Close):
        _ask(check, want, got)
        return
    tolerance = check if isinstance(check, Close) else ByDtype() if check == "close" else None
    _compare(want, got, tolerance, "")


def _ask(check: Callable[[Any, Any], object], want: Any, got: Any) -> None:
    answer = check(want, got)
    try:
        is_no = answer is not None and not answer
    except Exception as problem:
        raise Mismatch(
            f"check returned a {type(answer).__name__}, which is neither true nor false: return .all() of it, or raise"
        ) from problem
    if is_no:
        raise Mismatch(f"check returned {short(answer)}: expected {short(want)}, got {short(got)}")


def _compare(want: Any, got: Any, close: Close | None, path: str) -> None:
    if type(want) in _PLAIN and type(want) is type(got) and want == got:
        return
    objects, compare_whole = objects_of(want, got), library_comparison(want)
    if objects is not None:
        _compare_sequences(*objects, close, path)
    elif compare_whole is not None:
        _compare_by_library(compare_whole, want, got, close, path)
    elif _are_numbers(want, got):
        _compare_numbers(want, got, close, path)
    elif type(want) is not type(got) and not _same_class(want, got):
        raise Mismatch(
            f"{at(path)}expected {short(want)} ({type(want).__name__}), got {short(got)} ({type(got).__name__})"
        )
    else:
        _compare_parts(want, got, close, path)


def _compare_by_library(
    compare_whole: Callable[..., None], want: Any, got: Any, close: Close | None, path: str
) -> None:
    try:
        compare_whole(want, got, close, path)
    except AssertionError:
        raise
    except Exception as problem:  # of a library that meets what it was not made for
        raise incomparable(want, problem, path) from problem


def _compare_parts(want: Any, got: Any, close: Close | None, path: str) -> None:
    parts = parts_of(want)
    if isinstance(want, Mapping):
        _compare_mappings(want, got, close, path)
    elif isinstance(want, list | tuple | deque):
        _compare_sequences(want, got, close, path)
    elif parts is not None:
        others = parts_of(got) or {}
        if parts.keys() != others.keys():
            raise Mismatch(f"{at(path)}attributes differ: expected {short(want)}, got {short(got)}")
        for name, part in parts.items():
            _compare(part, others[name], close, f"{path}.{name}")
    elif not is_equal(want, got, path):
        hint = no_equality(want, got)
        raise Mismatch(f"{at(path)}expected {short(want)}, got {short(got)}{hint}")


def _are_numbers(want: Any, got: Any) -> bool:
    return all(isinstance(each, Number) and not isinstance(each, bool) for each in (want, got))


def _are_equal_numbers(want: Any, got: Any) -> bool:
    try:
        return bool(want == got or (want != want and got != got))  # noqa: PLR0124 - NaN equals NaN here
    except ArithmeticError:  # a signalling NaN of decimal
        return False


def _compare_numbers(want: Any, got: Any, close: Close | None, path: str) -> None:
    if _are_equal_numbers(want, got):
        return
    if isinstance(want, Integral) and isinstance(got, Integral) and not is_declared(close):
        raise Mismatch(f"{at(path)}expected {want!r}, got {got!r}")
    try:
        difference, size = float(abs(want - got)), float(abs(want))
    except (ArithmeticError, TypeError):  # a whole number beyond all floats, a Decimal and a float
        difference = size = math.inf
    # An infinite one would allow any difference from itself.
    is_finite = math.isfinite(size)
    if close is not None and is_finite and difference <= close.atol + close.rtol * size:
        return
    raise Mismatch(f"{at(path)}expected {want!r}, got {got!r}{suggestion(size, difference)}")


def _compare_mappings(want: Any, got: Any, close: Close | None, path: str) -> None:
    count = len(want)
    if want.keys() != got.keys():
        want = {hashable(key): each for key, each in want.items()}
        got = {hashable(key): each for key, each in got.items()}
    if want.keys() != got.keys() or len(want) != count:
        odd = sorted(map(repr, want.keys() ^ got.keys()))[:3]
        raise Mismatch(f"{at(path)}keys differ: {', '.join(odd)}")
    for key, each in want.items():
        _compare(each, got[key], close, f"{path}[{key!r}]")


def _compare_sequences(want: Any, got: Any, close: Close | None, path: str) -> None:
    if len(want) != len(got):
        raise Mismatch(f"{at(path)}length {len(got)} instead of {len(want)}")
    for index, (each, other) in enumerate(zip(want, got, strict=True)):
        _compare(each, other, close, f"{path}[{index}]")


def _same_class(want: Any, got: Any) -> bool:
    # A class of a test module that went through a worker process by value is a twin of the original.
    first, second = type(want), type(got)
    return (first.__module__, first.__qualname__) == (second.__module__, second.__qualname__)


def _first_line(difference: AssertionError) -> str:
    return (str(difference) or type(difference).__name__).splitlines()[0]
