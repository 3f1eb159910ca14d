"""Are two lists of outputs the same? Exactly, within a declared tolerance, or by the user's own check."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pytest_pipeline.errors import UsageError
from pytest_pipeline.measure.checks.sameness import Mismatch, is_equal, no_equality
from pytest_pipeline.measure.checks.tolerance import ByDtype, for_array, for_tensor, usual
from pytest_pipeline.model.plan import Close

_NUMERIC = "biufc"
"""Kinds of dtypes that have a tolerance; text, dates and objects are equal or not."""

Check = str | Close | Callable[[Any, Any], None] | None


def validate_check(check: Check) -> None:
    """Raise `UsageError` for a check that is not one of the accepted kinds."""
    if check is None or isinstance(check, Close) or callable(check) or check in {"equal", "close"}:
        return
    raise UsageError(
        f'check={check!r}: expected "equal", "close", Close(rtol=, atol=), a callable (expected, actual), or None'
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
        check(want, got)
        return
    tolerance = check if isinstance(check, Close) else ByDtype() if check == "close" else None
    _compare(want, got, tolerance, "")


def _compare(want: Any, got: Any, close: Close | None, path: str) -> None:
    compare_array = _array_comparison(want)
    if compare_array is not None:
        compare_array(want, got, close, path)
    elif isinstance(want, float | complex) and isinstance(got, int | float | complex):
        _compare_numbers(want, got, close, path)
    elif type(want) is not type(got) and not _same_class(want, got):
        raise Mismatch(
            f"{_at(path)}expected {_short(want)} ({type(want).__name__}), got {_short(got)} ({type(got).__name__})"
        )
    elif isinstance(want, Mapping):
        _compare_mappings(want, got, close, path)
    elif isinstance(want, list | tuple):
        _compare_sequences(want, got, close, path)
    elif dataclasses.is_dataclass(want) and not isinstance(want, type):
        for name in (each.name for each in dataclasses.fields(want) if each.compare):
            _compare(getattr(want, name), getattr(got, name), close, f"{path}.{name}")
    elif not is_equal(want, got):
        hint = no_equality(want, got)
        raise Mismatch(f"{_at(path)}expected {_short(want)}, got {_short(got)}{hint}")


def _compare_numbers(want: Any, got: Any, close: Close | None, path: str) -> None:
    if want == got or (want != want and got != got):  # noqa: PLR0124 - NaN equals NaN here
        return
    difference = abs(want - got)
    if close is not None and difference <= close.atol + close.rtol * abs(want):
        return
    raise Mismatch(f"{_at(path)}expected {want!r}, got {got!r}{_suggest(want, difference)}")


def _suggest(want: Any, difference: float) -> str:
    size = abs(want)
    relative = difference / size if size else math.inf
    if not relative < 1e-3:
        return ""
    return f"; relative difference {relative:.1e}: if the arithmetic legitimately differs, declare check=Close(rtol={_round_up(relative):.0e})"


def _round_up(relative: float) -> float:
    return float(10.0 ** math.ceil(math.log10(relative) + 0.01))


def _compare_mappings(want: Any, got: Any, close: Close | None, path: str) -> None:
    if want.keys() != got.keys():
        odd = sorted(map(repr, want.keys() ^ got.keys()))[:3]
        raise Mismatch(f"{_at(path)}keys differ: {', '.join(odd)}")
    for key, each in want.items():
        _compare(each, got[key], close, f"{path}[{key!r}]")


def _compare_sequences(want: Any, got: Any, close: Close | None, path: str) -> None:
    if len(want) != len(got):
        raise Mismatch(f"{_at(path)}length {len(got)} instead of {len(want)}")
    for index, (each, other) in enumerate(zip(want, got, strict=True)):
        _compare(each, other, close, f"{path}[{index}]")


def _array_comparison(want: Any) -> Callable[[Any, Any, Close | None, str], None] | None:
    # Only modules that are already imported can have made the value.
    for module, types, comparison in (
        ("torch", ("Tensor",), _compare_tensors),
        ("pandas", ("DataFrame", "Series", "Index"), _compare_pandas),
        ("numpy", ("ndarray", "generic"), _compare_arrays),
    ):
        loaded = sys.modules.get(module)
        found = (getattr(loaded, name, None) for name in types)
        if isinstance(want, tuple(each for each in found if isinstance(each, type))):
            return comparison  # a stub in the place of the module has no such types
    return None


def _compare_arrays(want: Any, got: Any, close: Close | None, path: str) -> None:
    import numpy as np

    if np.shape(want) != np.shape(got) or np.asarray(want).dtype != np.asarray(got).dtype:
        raise Mismatch(
            f"{_at(path)}expected {np.asarray(want).dtype}{np.shape(want)}, got {np.asarray(got).dtype}{np.shape(got)}"
        )
    try:
        if close is None or np.asarray(want).dtype.kind not in _NUMERIC:
            np.testing.assert_array_equal(want, got)
        else:
            allowed = for_array(close, np.asarray(want).dtype)
            np.testing.assert_allclose(
                got, want, rtol=allowed.rtol, atol=allowed.atol, equal_nan=True
            )
    except AssertionError as difference:
        raise Mismatch(
            f"{_at(path)}{_array_difference(want, got, str(difference))}"
        ) from difference


def _array_difference(want: Any, got: Any, text: str) -> str:
    import numpy as np

    want, got = np.asarray(want), np.asarray(got)
    different = np.flatnonzero((want != got).ravel())
    if not len(different) or want.dtype.kind not in "fiuc":
        return " ".join(text.split())[:200]
    at = int(different[0])
    first, second = want.ravel()[at], got.ravel()[at]
    with np.errstate(all="ignore"):
        gaps = np.abs(want.astype(float) - got.astype(float)) / np.abs(want.astype(float))
        worst = float(np.nanmax(np.where(np.isfinite(gaps), gaps, 0.0)))
    hint = _suggest(1.0, worst) if worst > 0 else ""
    return f"{len(different)} of {want.size} elements differ, first at {at}: expected {first!s}, got {second!s}{hint}"


def _compare_pandas(want: Any, got: Any, close: Close | None, path: str) -> None:
    import pandas.testing as pdt

    compare: Callable[..., None] = pdt.assert_index_equal
    if hasattr(want, "columns"):
        compare = pdt.assert_frame_equal
    elif hasattr(want, "index"):
        compare = pdt.assert_series_equal
    options: dict[str, Any] = (
        {"check_exact": True} if close is None else {"rtol": close.rtol, "atol": close.atol}
    )
    try:
        compare(want, got, **options)
    except AssertionError as difference:
        raise Mismatch(f"{_at(path)}{' '.join(str(difference).split())[:240]}") from difference


def _compare_tensors(want: Any, got: Any, close: Close | None, path: str) -> None:
    import torch

    if not isinstance(got, torch.Tensor):
        raise Mismatch(f"{_at(path)}expected a tensor, got {_short(got)} ({type(got).__name__})")

    def compare(tolerance: Close) -> None:
        torch.testing.assert_close(
            got,
            want,
            rtol=tolerance.rtol,
            atol=tolerance.atol,
            equal_nan=True,
            check_device=False,  # the values are compared; where they lie is the arm's affair
        )

    try:
        compare(for_tensor(close, want.dtype))
    except AssertionError as difference:
        hint = usual(want.dtype, compare)
        text = " ".join(str(difference).split())[:240]
        raise Mismatch(f"{_at(path)}{text}{hint}") from difference


def _same_class(want: Any, got: Any) -> bool:
    # A class of a test module that went through a worker process by value is a twin of the original.
    first, second = type(want), type(got)
    return (first.__module__, first.__qualname__) == (second.__module__, second.__qualname__)


def _at(path: str) -> str:
    return f"at {path}: " if path else ""


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _first_line(difference: AssertionError) -> str:
    return (str(difference) or type(difference).__name__).splitlines()[0]
