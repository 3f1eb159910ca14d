"""Frames, series and indexes that count as the same output."""

from __future__ import annotations

import numpy as np
import pytest
from unit.differing import differ

from pytest_pipeline.measure.checks.equality import compare_outputs
from pytest_pipeline.model.plan import Close

pd = pytest.importorskip("pandas")


def mixed():
    return pd.DataFrame(
        {
            "whole": [1, 2],
            "float": [1.5, np.nan],
            "text": ["x", None],
            "date": pd.to_datetime(["2020", "2021"]),
            "zone": pd.to_datetime(["2020", "2021"]).tz_localize("UTC"),
            "kind": pd.Categorical(["u", "v"]),
            "nullable": pd.array([1.0, None], dtype="Float64"),
            "any": [{"a": 1}, [1]],
        }
    )


@pytest.mark.parametrize("check", ["equal", "close", Close(rtol=0.1)])
@pytest.mark.parametrize(
    "make",
    [
        mixed,
        pd.DataFrame,
        lambda: pd.DataFrame([[1, 2.0]], columns=["a", "a"]),
        lambda: pd.DataFrame({"a": [1.0]}, index=pd.MultiIndex.from_tuples([("x", 1)])),
        lambda: pd.DataFrame({"a": [1.0]}, index=pd.to_datetime(["2020"])),
        lambda: pd.Series({"rows": 3, "columns": 5}),
        lambda: pd.RangeIndex(4),
    ],
    ids=["mixed", "empty", "twice", "levels", "dates", "columns", "index"],
)
def test_equal_ones_are_equal_whatever_they_hold(make, check):
    compare_outputs([make()], [make()], check)


@pytest.mark.parametrize("dtype", ["float64", "Float64"])
def test_floats_are_exact_unless_a_tolerance_allows_more(dtype):
    want, got = (pd.Series([value], dtype=dtype) for value in (1.0, 1.0 + 1e-9))
    differ(want, got)
    differ(want.to_frame("a"), got.to_frame("a"))
    compare_outputs([want], [got], "close")
    compare_outputs([pd.Index(want)], [pd.Index(got)], "close")


@pytest.mark.parametrize("dtype", ["int64", "Int64"])
def test_whole_numbers_and_labels_are_exact_under_close(dtype):
    want, got = (pd.Series([value], dtype=dtype) for value in (20_000_001, 20_000_002))
    assert "20000001" in differ(want, got, "close")
    differ(pd.DataFrame({"a": [1.0]}, index=want), pd.DataFrame({"a": [1.0]}, index=got), "close")
    compare_outputs([want], [got], Close(atol=1))


@pytest.mark.parametrize(
    ("want", "got", "text"),
    [
        (pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [2]}), "column 'a'"),
        (pd.DataFrame({"a": [1]}), pd.DataFrame({"b": [1]}), "columns"),
        (pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [1.0]}), "dtype"),
        (pd.DataFrame({"a": [1]}), pd.Series([1]), "expected a DataFrame"),
        (pd.DataFrame({"a": [1]}), [[1]], "expected a DataFrame"),
        (pd.Series([1], name="a"), pd.Series([1], name="b"), "name"),
    ],
    ids=["value", "columns", "type", "series", "list", "name"],
)
def test_what_differs_is_said(want, got, text):
    assert text in differ(want, got)
