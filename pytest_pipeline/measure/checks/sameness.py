"""Values that no library of their own compares: `==`, or what they have instead."""

from __future__ import annotations

from typing import Any


class Mismatch(AssertionError):  # noqa: N818 - it is a finding, not an error
    """Two values differ; the text says where and how, both values shortened."""


def is_equal(want: Any, got: Any) -> bool:
    """Return whether the values are equal; raises `Mismatch` for some that cannot say so."""
    if want is got:
        return True
    try:
        same = bool(want == got)
    except Exception as problem:
        return _equals(want, got, problem)
    if not same and type(want) is not type(got) and hasattr(want, "__dict__"):
        return bool(vars(want) == vars(got))
    return same


def _equals(want: Any, got: Any, problem: Exception) -> bool:
    """Ask what compares element by element for one answer, as frames have it."""
    if hasattr(want, "equals"):
        return bool(want.equals(got))
    name = type(want).__qualname__
    raise Mismatch(
        f"outputs of type {name} cannot be compared with == ({type(problem).__name__}: {problem}): "
        "pass check=, a function of the expected and the actual output"
    ) from problem
