"""What counts as the same output: values of every kind, and a check of the user's own that only answers."""

from __future__ import annotations

import math
import operator
import sys
import types
from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np
import pytest
from unit.differing import differ

from pytest_pipeline.errors import UsageError
from pytest_pipeline.measure.checks.equality import compare_outputs, validate_check
from pytest_pipeline.model.plan import Close

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize("check", [operator.eq, np.array_equal, lambda want, got: want == got])
def test_a_check_that_only_answers_no_has_found_a_wrong_output(check):
    compare_outputs([3], [3], check)
    assert differ(3, 4, check).endswith("returned False: expected 3, got 4")


@pytest.mark.parametrize("check", ["close", Close(rtol=0.5, atol=9.0)])
@pytest.mark.parametrize(
    ("want", "got"), [(INF, 1.0), (INF, -INF), (1.0, INF), (complex(INF, 0), 1.0 + 0j), (INF, NAN)]
)
def test_infinity_is_close_to_itself_alone(want, got, check):
    compare_outputs([want], [want], check)
    differ(want, got, check)
    differ(np.array([want]), np.array([got], dtype=type(want)), check)


@pytest.mark.parametrize(
    ("want", "got"),
    [
        (Decimal("NaN"), Decimal("NaN")),
        (deque([1.0, NAN]), deque([1.0, float("nan")])),
        ({"a": [NAN]}, {"a": [float("nan")]}),
        (np.datetime64("NaT"), np.datetime64("NaT")),
    ],
    ids=["decimal", "deque", "dict", "date"],
)
def test_not_a_number_equals_itself_wherever_it_is(want, got):
    compare_outputs([want], [got], "equal")


def test_a_number_is_not_taken_for_one_that_is_none():
    differ(Decimal(1), Decimal("NaN"))
    differ(deque([1.0]), deque([NAN]))


def test_a_deque_is_close_where_its_numbers_are():
    compare_outputs([deque([1.0])], [deque([1.0 + 1e-9])], "close")
    assert "at [0]: expected 1.0" in differ(deque([1.0]), deque([2.0]), "close")


def test_what_is_masked_in_one_array_alone_is_a_difference():
    whole = np.ma.masked_array([1.0, 2.0], mask=[False, False])
    part = np.ma.masked_array([1.0, 2.0], mask=[False, True])
    compare_outputs([part], [np.ma.masked_array([1.0, 7.0], mask=[False, True])], "equal")
    assert "at .mask" in differ(part, whole)
    assert "at .mask" in differ(whole, part, "close")
    assert "expected 1.0, got 3.0" in differ(part, np.ma.masked_array([3.0, 2.0], part.mask))


def test_an_array_of_arrays_is_compared_element_by_element():
    def ragged(last):
        array = np.empty(2, dtype=object)
        array[:] = [np.arange(3), np.array([1.0, last])]
        return array

    compare_outputs([ragged(2.0)], [ragged(2.0)], "equal")
    compare_outputs([ragged(2.0)], [ragged(2.0 + 1e-9)], "close")
    assert "at [1]: 1 of 2 elements differ, first at 1" in differ(ragged(2.0), ragged(5.0))


@pytest.mark.parametrize(
    ("want", "got", "text"),
    [
        ([NAN, 1.0], [NAN, 2.0], "1 of 2 elements differ, first at 1: expected 1.0, got 2.0"),
        ([1j, 2j], [1j, 3j], "1 of 2 elements differ, first at 1: expected 2j, got 3j"),
    ],
    ids=["nan", "complex"],
)
def test_the_first_element_that_really_differs_is_named(want, got, text):
    assert text in differ(np.array(want), np.array(got))


@pytest.mark.filterwarnings("error")
def test_complex_numbers_that_differ_in_the_last_bits_name_the_tolerance_to_declare():
    want = np.array([1 + 1j])
    assert "declare check=Close(rtol=1e-11)" in differ(want, want * (1 + 1e-12))


def test_the_arrays_of_jax_are_compared_as_arrays(monkeypatch):
    class Array:
        def __init__(self, *values):
            self.values = values

        def __array__(self, dtype=None, copy=None):
            return np.array(self.values, dtype=dtype)

    module = types.ModuleType("jax")
    module.Array = Array
    monkeypatch.setitem(sys.modules, "jax", module)
    compare_outputs([Array(1.0, NAN)], [Array(1.0, NAN)], "equal")
    compare_outputs([Array(1.0)], [Array(1.0 + 1e-9)], "close")
    assert "1 of 2 elements differ" in differ(Array(1.0, 2.0), Array(1.0, 3.0))


def test_an_iterator_is_told_to_be_run():
    text = differ(map(abs, [1]), map(abs, [1]))
    assert text.endswith("this map still has its work before it: return list(...) of it")


@pytest.mark.parametrize(
    "tolerance", [{"rtol": INF}, {"atol": NAN}, {"rtol": -1e-9}, {"atol": "1"}]
)
def test_a_tolerance_under_which_all_or_nothing_is_equal_is_refused(tolerance):
    (name,) = tolerance
    with pytest.raises(UsageError, match=rf"Close\({name}\)="):
        Close(**tolerance)
    Close(rtol=np.float32(0), atol=1)


@pytest.mark.parametrize(("want", "got"), [(1, 1.0), (1.0, 1), (2, 2 + 0j)])
def test_numbers_of_two_types_are_equal_by_value(want, got):
    compare_outputs([want], [got], "equal")
    differ(want, got + 1)


@pytest.mark.parametrize(("want", "got"), [(1, True), (True, 1.0), (10**400, 1.0), (1.0, 10**400)])
def test_truth_and_whole_numbers_beyond_all_floats_equal_no_other(want, got):
    differ(want, got)
    differ(want, got, "close")


@pytest.mark.parametrize("check", [Close, dict, ["close"], {"rtol": 1e-5}, "same"])
def test_a_check_that_could_not_fail_or_is_none_of_the_kinds_is_refused(check):
    with pytest.raises(UsageError, match="expected .equal"):
        validate_check(check)


def test_close_without_parentheses_is_told_to_be_called():
    with pytest.raises(UsageError, match=r"write Close\(\)"):
        validate_check(Close)


@pytest.mark.parametrize("kind", [int, np.int64, np.uint8])
def test_whole_numbers_are_exact_under_close_and_within_a_tolerance_that_is_declared(kind):
    want, got = kind(100), kind(101)
    for one, other in ((want, got), (np.array([want]), np.array([got]))):
        assert "expected 100, got 101" in differ(one, other, "close")
        compare_outputs([one], [other], Close(atol=1))


def test_truth_is_never_merely_close():
    differ(np.array([True]), np.array([False]), Close(atol=9))


def test_large_whole_numbers_are_told_apart_to_the_last_digit():
    for check in ("equal", "close"):
        differ(np.array([2**62]), np.array([2**62 + 1]), check)


def test_a_list_is_not_the_array_of_its_numbers():
    assert "expected an array" in differ(np.array([1.0]), [1.0])
    differ([1.0], np.array([1.0]))


def test_what_only_the_actual_array_masks_is_a_difference():
    assert "at .mask" in differ(np.array([1.0, 2.0]), np.ma.masked_array([1.0, 9.0], [0, 1]))


@pytest.mark.parametrize("check", ["equal", "close"])
def test_records_are_compared_field_by_field_with_not_a_number_in_them(check):
    def records(last):
        return np.array([(1, NAN), (2, last)], dtype=[("id", int), ("value", float)])

    compare_outputs([records(3.0)], [records(3.0)], check)
    compare_outputs([records(3.0)[0]], [records(3.0)[0]], check)
    assert "at ['value']: 1 of 2 elements differ, first at 1" in differ(
        records(3.0), records(4.0), check
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda: {float("nan"): 1},
        lambda: {(1, float("nan")): 2},
        lambda: {float("nan"), 3.0},
        lambda: frozenset({(float("nan"),)}),
    ],
    ids=["key", "key of two", "set", "tuples"],
)
def test_not_a_number_equals_itself_among_keys(make):
    compare_outputs([make()], [make()], "equal")


def test_keys_that_differ_are_still_named():
    assert "keys differ: 'b'" in differ({NAN: 1}, {NAN: 1, "b": 2})


@dataclass
class Timed:
    value: float
    took_s: float

    def __eq__(self, other):
        return self.value == other.value

    __hash__ = None


@dataclass
class Reading:
    value: float
    source: str = field(default="", compare=False)


def test_a_dataclass_with_an_equality_of_its_own_decides_by_it():
    compare_outputs([Timed(1.0, 0.1)], [Timed(1.0, 0.2)], "equal")
    differ(Timed(1.0, 0.1), Timed(2.0, 0.1))


def test_a_tolerance_reaches_what_records_hold():
    for want, got in (
        (Reading(1.0, "a"), Reading(1.0 + 1e-9, "b")),
        (types.SimpleNamespace(v=np.array([1.0])), types.SimpleNamespace(v=np.array([1 + 1e-9]))),
        (ValueError("x", 1.0), ValueError("x", 1.0 + 1e-9)),
    ):
        compare_outputs([want], [got], "close")
        differ(want, got, "equal")


def test_an_answer_that_is_neither_true_nor_false_is_said_to_come_from_the_check():
    text = differ(np.array([1, 2]), np.array([1, 3]), lambda want, got: want == got)
    assert text.endswith(
        "check returned a ndarray, which is neither true nor false: return .all() of it, or raise"
    )


class Shy:
    def __eq__(self, other):
        raise RuntimeError("more than one value")

    __hash__ = None


def test_a_value_that_its_library_cannot_compare_names_what_to_pass():
    frames = pytest.importorskip("pandas")
    nested, shy = ([{"v": np.arange(2)}], [Shy()])
    compare_outputs([frames.DataFrame({"a": nested})], [frames.DataFrame({"a": nested})], "equal")
    text = differ(frames.DataFrame({"a": shy}), frames.DataFrame({"a": [Shy()]}))
    assert "RuntimeError: more than one value" in text
    assert "pass check=" in text


def test_records_with_other_attributes_differ_in_both_directions():
    one, two = types.SimpleNamespace(a=1), types.SimpleNamespace(a=1, b=2)
    assert "attributes differ" in differ(one, two)
    assert "attributes differ" in differ(two, one)


def test_the_word_nan_is_not_the_number():
    differ({"nan": 1}, {NAN: 1})
    differ({"nan"}, {NAN})
    differ({float("nan"): 1, float("nan"): 2}, {float("nan"): 2})


def test_records_that_mask_something_are_compared_field_by_field():
    def masked(last):
        return np.ma.masked_array([(1, 2.0), (3, last)], [(False, True), (False, False)], "i8,f8")

    compare_outputs([masked(4.0)], [masked(4.0)], "equal")
    differ(masked(4.0), masked(5.0))


def test_a_signalling_decimal_is_a_difference():
    differ(Decimal("sNaN"), Decimal(1))


def test_the_truth_of_a_tensor_is_never_merely_close():
    torch = pytest.importorskip("torch")
    differ(torch.tensor([True]), torch.tensor([False]), Close(atol=9))
