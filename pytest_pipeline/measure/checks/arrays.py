"""Arrays and tensors: compared by the testing helpers of their own libraries, as frames are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pytest_pipeline.measure.checks.frames import compare_pandas
from pytest_pipeline.measure.checks.loaded import loaded_type
from pytest_pipeline.measure.checks.sameness import Mismatch, at, short
from pytest_pipeline.measure.checks.tolerance import for_array, for_tensor, suggestion, usual
from pytest_pipeline.model.plan import Close

Comparison = Callable[[Any, Any, Close | None, str], None]
"""Takes expected, actual, tolerance (None: exactly equal) and path; raises `Mismatch`."""


def library_comparison(want: Any) -> Comparison | None:
    """Return how values of the kind of `want` are compared; None where no library of their own does it."""
    for module, names, comparison in (
        ("torch", ("Tensor",), _compare_tensors),
        ("pandas", ("DataFrame", "Series", "Index"), compare_pandas),
        ("numpy", ("ndarray", "generic"), _compare_arrays),
        ("jax", ("Array",), _compare_arrays),
    ):
        kinds = (loaded_type(module, name) for name in names)
        if any(kind is not None and isinstance(want, kind) for kind in kinds):
            return comparison
    return None


def objects_of(want: Any, got: Any) -> tuple[list[Any], list[Any]] | None:
    """Return the elements of two numpy arrays of objects, which may be of any kind; None for other values."""
    if not (_is_object_array(want) and _is_object_array(got) and want.shape == got.shape):
        return None
    return [*want.flat], [*got.flat]


def _is_object_array(value: Any) -> bool:
    array = loaded_type("numpy", "ndarray")
    is_array = array is not None and isinstance(value, array)
    return is_array and bool(value.dtype.kind == "O")


def _compare_arrays(want: Any, got: Any, close: Close | None, path: str) -> None:
    import numpy as np

    if np.ndim(want) and not hasattr(got, "__array__"):
        raise Mismatch(f"{at(path)}expected an array, got {short(got)} ({type(got).__name__})")
    one, other = np.asarray(want), np.asarray(got)
    if one.shape != other.shape or one.dtype != other.dtype:
        raise Mismatch(f"{at(path)}expected {one.dtype}{one.shape}, got {other.dtype}{other.shape}")
    if one.dtype.names is not None:
        for name in one.dtype.names:
            _compare_arrays(want[name], got[name], close, f"{path}[{name!r}]")
        return
    if isinstance(want, np.ma.MaskedArray) or isinstance(got, np.ma.MaskedArray):
        # What is masked in one of them alone passes for equal in numpy's own comparison.
        _compare_arrays(np.ma.getmaskarray(want), np.ma.getmaskarray(got), None, f"{path}.mask")
        want, got = np.ma.compressed(want), np.ma.compressed(got)
    _compare_elements(want, got, close, path)


def _compare_elements(want: Any, got: Any, close: Close | None, path: str) -> None:
    import numpy as np

    allowed = for_array(close, np.asarray(want).dtype)
    try:
        if allowed is None:
            np.testing.assert_array_equal(want, got)
        else:
            np.testing.assert_allclose(
                got, want, rtol=allowed.rtol, atol=allowed.atol, equal_nan=True
            )
    except AssertionError as difference:
        raise Mismatch(f"{at(path)}{_array_difference(want, got, str(difference))}") from difference


def _array_difference(want: Any, got: Any, text: str) -> str:
    import numpy as np

    want, got = np.asarray(want), np.asarray(got)
    if want.dtype.kind not in "fiuc":
        return " ".join(text.split())[:200]
    are_nan = (want != want) & (got != got)  # noqa: PLR0124 - and NaN equals NaN here
    different = np.flatnonzero((want != got) & ~are_nan)
    if not len(different):
        return " ".join(text.split())[:200]
    place = int(different[0])
    first, second = want.ravel()[place], got.ravel()[place]
    wide = np.result_type(want.dtype, float)  # whole numbers without a sign wrap around
    with np.errstate(all="ignore"):
        gaps = np.abs(want.astype(wide) - got.astype(wide)) / np.abs(want.astype(wide))
        worst = float(np.nanmax(np.where(np.isfinite(gaps), gaps, 0.0)))
    hint = suggestion(1.0, worst) if worst > 0 else ""
    return f"{len(different)} of {want.size} elements differ, first at {place}: expected {first!s}, got {second!s}{hint}"


def _compare_tensors(want: Any, got: Any, close: Close | None, path: str) -> None:
    import torch

    if not isinstance(got, torch.Tensor):
        raise Mismatch(f"{at(path)}expected a tensor, got {short(got)} ({type(got).__name__})")

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
        raise Mismatch(f"{at(path)}{text}{hint}") from difference
