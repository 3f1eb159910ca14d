"""`check="close"` knows how far each type of number may be off, and a mismatch says which tolerance to declare."""

import numpy as np
import pytest

from pytest_pipeline.measure.checks.equality import compare_outputs
from pytest_pipeline.measure.checks.sameness import Mismatch
from pytest_pipeline.model.plan import Close

torch = pytest.importorskip("torch")

TYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64]


def off_by(dtype, share):
    """A tensor of ones and one whose last element is off by `share` of what torch allows."""
    want = torch.ones(4, dtype=torch.complex128 if dtype.is_complex else torch.float64)
    probe = torch.ones(1, dtype=dtype)
    rtol, atol = torch.testing._comparison.default_tolerances(probe)
    got = want.clone()
    got[-1] += share * (rtol + atol)
    return want.to(dtype), got.to(dtype)


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_close_allows_a_tensor_what_torch_allows_its_type(dtype):
    want, got = off_by(dtype, 0.9)
    compare_outputs([want], [got], "close")


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_close_allows_no_more_than_that(dtype):
    want, got = off_by(dtype, 3)
    with pytest.raises(Mismatch):
        compare_outputs([want], [got], "close")


def test_whole_numbers_are_never_merely_close():
    want = torch.tensor([10**9])
    with pytest.raises(Mismatch):
        compare_outputs([want], [want + 1], "close")


def test_equal_stays_exact_to_the_last_bit_whatever_the_type():
    want = torch.ones(1, dtype=torch.float32)
    compare_outputs([want], [want.clone()], "equal")
    with pytest.raises(Mismatch):
        compare_outputs([want], [torch.nextafter(want, want + 1)], "equal")


def test_a_difference_like_that_of_another_device_says_which_tolerance_to_declare():
    want, got = off_by(torch.float32, 0.9)
    with pytest.raises(
        Mismatch, match=r'check="close" \(rtol=1\.3e-06, atol=1e-05 for this type\)'
    ):
        compare_outputs([want], [got], "equal")


def test_a_difference_that_arithmetic_does_not_explain_gets_no_such_advice():
    want, got = off_by(torch.float32, 1000)
    with pytest.raises(Mismatch) as caught:
        compare_outputs([want], [got], "equal")
    assert "declare" not in str(caught.value)


def test_narrow_arrays_are_close_by_their_type_and_float64_is_as_strict_as_before():
    for dtype, share in ((np.float32, 1e-6), (np.float16, 9e-4)):
        want = np.ones(4, dtype)
        compare_outputs([want], [(want * (1 + share)).astype(dtype)], "close")
    double = np.full(4, 1e-9)
    with pytest.raises(Mismatch):
        compare_outputs([double], [double * 1.001], "close")


def test_a_declared_close_is_taken_as_it_is():
    want, got = off_by(torch.float16, 0.9)
    with pytest.raises(Mismatch):
        compare_outputs([want], [got], Close(rtol=1e-6))


def test_an_array_instead_of_a_tensor_is_said_in_words():
    with pytest.raises(Mismatch, match=r"expected a tensor, got .*ndarray"):
        compare_outputs([torch.ones(2)], [np.ones(2)], "equal")


@pytest.mark.parametrize(
    "values",
    [["a", "b"], np.array(["2026-11-28", "2026-11-29"], "M8[D]"), [None, {"a": 1}]],
    ids=["text", "dates", "objects"],
)
def test_arrays_of_what_has_no_distance_are_equal_or_not_also_under_a_tolerance(values):
    want = np.array(values)
    compare_outputs([want], [want.copy()], Close(rtol=0.1))
    with pytest.raises(Mismatch):
        compare_outputs([want], [want[::-1].copy()], Close(rtol=0.1))
