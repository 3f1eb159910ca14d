"""Frames, series and indexes of pandas: compared by `pandas.testing`, column by column."""

from __future__ import annotations

from typing import Any

from pytest_pipeline.measure.checks.sameness import Mismatch, at, short
from pytest_pipeline.measure.checks.tolerance import for_array
from pytest_pipeline.model.plan import Close


def compare_pandas(want: Any, got: Any, close: Close | None, path: str) -> None:
    """Raise `Mismatch` where `got` is not the frame, series or index `want`.

    Labels are compared as the values are: whole numbers, dates and text exactly.
    """
    import pandas as pd

    kind: Any = next(each for each in (pd.DataFrame, pd.Series, pd.Index) if isinstance(want, each))
    if not isinstance(got, kind):
        raise Mismatch(
            f"{at(path)}expected a {kind.__name__}, got {short(got)} ({type(got).__name__})"
        )
    try:
        if kind is pd.Index:
            _compare_labels(want, got, close)
        else:
            _compare_labels(want.index, got.index, close)
            _compare_values(want, got, close)
    except AssertionError as difference:
        raise Mismatch(f"{at(path)}{' '.join(str(difference).split())[:240]}") from difference


def _compare_labels(want: Any, got: Any, close: Close | None) -> None:
    import pandas.testing as pdt

    allowed = for_array(close, want.dtype)
    if allowed is None:
        pdt.assert_index_equal(want, got)
    else:
        pdt.assert_index_equal(want, got, check_exact=False, rtol=allowed.rtol, atol=allowed.atol)


def _compare_values(want: Any, got: Any, close: Close | None) -> None:
    import pandas.testing as pdt

    if not hasattr(type(want), "columns"):
        _compare_column(want, got, close, "Series")
        return
    pdt.assert_frame_equal(want.iloc[:0], got.iloc[:0])  # columns and their types
    for place, label in enumerate(want.columns):
        _compare_column(want.iloc[:, place], got.iloc[:, place], close, f"column {label!r}")


def _compare_column(want: Any, got: Any, close: Close | None, what: str) -> None:
    import pandas.testing as pdt

    # Columns of nullable numbers know no `check_exact`: no tolerance is exact for all.
    allowed = for_array(close, want.dtype) or Close(0.0, 0.0)
    pdt.assert_series_equal(
        want,
        got,
        check_index=False,
        check_exact=False,
        rtol=allowed.rtol,
        atol=allowed.atol,
        obj=what,
    )
