"""Are two lists of outputs the same? Exactly, within a declared tolerance, or by the user's own check."""

from __future__ import annotations

import dataclasses
import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pytest_pipeline.errors import UsageError
from pytest_pipeline.measure.checks.arrays import library_comparison, objects_of
from pytest_pipeline.measure.checks.sameness import Mismatch, at, is_equal, no_equality, short
from pytest_pipeline.measure.checks.tolerance import ByDtype, suggestion
from pytest_pipeline.model.plan import Close

_PLAIN = frozenset({bool, bytes, float, int, str, type(None)})
"""Types of which long lists are made, and whose `==` has one answer: compared at once."""

Check = str | Close | Callable[[Any, Any], object] | None


def validate_check(check: Check) -> None:
    """Raise `UsageError` for a check that is not one of the accepted kinds."""
    if check is None or isinstance(check, Close) or callable(check) or check in {"equal", "close"}:
        return
    raise UsageError(
        f'check={check!r}: expected "equal", "close", Close(rtol=, atol=), a callable (expected, actual) that raises or returns False, or None'
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
        answer = check(want, got)
        if answer is not None and not answer:
            raise Mismatch(
                f"check returned {short(answer)}: expected {short(want)}, got {short(got)}"
            )
        return
    tolerance = check if isinstance(check, Close) else ByDtype() if check == "close" else None
    _compare(want, got, tolerance, "")


def _compare(want: Any, got: Any, close: Close | None, path: str) -> None:
    if type(want) in _PLAIN and type(want) is type(got) and want == got:
        return
    objects, compare_whole = objects_of(want, got), library_comparison(want)
    if objects is not None:
        _compare_sequences(*objects, close, path)
    elif compare_whole is not None:
        compare_whole(want, got, close, path)
    elif _are_inexact(want, got):
        _compare_numbers(want, got, close, path)
    elif type(want) is not type(got) and not _same_class(want, got):
        raise Mismatch(
            f"{at(path)}expected {short(want)} ({type(want).__name__}), got {short(got)} ({type(got).__name__})"
        )
    else:
        _compare_parts(want, got, close, path)


def _compare_parts(want: Any, got: Any, close: Close | None, path: str) -> None:
    if isinstance(want, Mapping):
        _compare_mappings(want, got, close, path)
    elif isinstance(want, list | tuple | deque):
        _compare_sequences(want, got, close, path)
    elif dataclasses.is_dataclass(want) and not isinstance(want, type):
        for name in (each.name for each in dataclasses.fields(want) if each.compare):
            _compare(getattr(want, name), getattr(got, name), close, f"{path}.{name}")
    elif not is_equal(want, got):
        hint = no_equality(want, got)
        raise Mismatch(f"{at(path)}expected {short(want)}, got {short(got)}{hint}")


def _are_inexact(want: Any, got: Any) -> bool:
    """Whether two numbers are compared by value, one of them at least being no whole one."""
    numbers = all(
        isinstance(each, int | float | complex) and not isinstance(each, bool)
        for each in (want, got)
    )
    return numbers and not (isinstance(want, int) and isinstance(got, int))


def _compare_numbers(want: Any, got: Any, close: Close | None, path: str) -> None:
    if want == got or (want != want and got != got):  # noqa: PLR0124 - NaN equals NaN here
        return
    try:
        difference, size = float(abs(want - got)), float(abs(want))
    except OverflowError:  # a whole number beyond all floats
        difference = size = math.inf
    # An infinite one would allow any difference from itself.
    is_finite = math.isfinite(size)
    if close is not None and is_finite and difference <= close.atol + close.rtol * size:
        return
    raise Mismatch(f"{at(path)}expected {want!r}, got {got!r}{suggestion(size, difference)}")


def _compare_mappings(want: Any, got: Any, close: Close | None, path: str) -> None:
    if want.keys() != got.keys():
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
