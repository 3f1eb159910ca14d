"""Values that no library of their own compares: `==`, or what they have instead."""

from __future__ import annotations

from collections.abc import Iterator, Set as AbstractSet
from enum import Enum
from numbers import Number
from typing import Any


class _NotANumber:
    """Stands for every NaN among keys."""

    def __repr__(self) -> str:
        return "nan"


_NAN = _NotANumber()


class Mismatch(AssertionError):  # noqa: N818 - it is a finding, not an error
    """Two values differ; the text says where and how, both values shortened."""

    def __init__(self, text: str, *, item: int | None = None) -> None:
        super().__init__(text)
        self.item = item
        """Index of the item whose output differs, where that is known."""


def is_equal(want: Any, got: Any, path: str = "") -> bool:
    """Return whether the values are equal; raises `Mismatch` for some that cannot say so."""
    if want is got:
        return True
    try:
        same = bool(want == got)
    except Exception as problem:
        # What compares element by element has one answer there, as frames do.
        if hasattr(want, "equals"):
            return bool(want.equals(got))
        raise incomparable(want, problem, path) from problem
    if not same and isinstance(want, AbstractSet):
        return len(want) == len(got) and {*map(hashable, want)} == {*map(hashable, got)}
    if not same and type(want) is not type(got) and hasattr(want, "__dict__"):
        return bool(vars(want) == vars(got))
    return same


def has_equality(kind: type) -> bool:
    """Whether objects of this class say when they are equal."""
    return any("__eq__" in vars(each) for each in kind.__mro__[:-1])


def no_equality(want: Any, got: Any) -> str:
    """Return what to do where two objects differ only because their class cannot say when they are equal; or nothing."""
    kind = type(want)
    if isinstance(want, Iterator):
        return f"; this {kind.__qualname__} still has its work before it: return list(...) of it"
    is_a_value = not (isinstance(want, Enum | type) or callable(want))
    if kind is not type(got) or has_equality(kind) or not is_a_value:
        return ""
    return (
        f"; {kind.__qualname__} has no __eq__, so that no two of them are equal: "
        "define one (a dataclass has it), or pass check=, a function of the expected and the actual output"
    )


def hashable(key: Any) -> Any:
    """Return a key, or a member of a set, so that NaN equals NaN; tuples hold more of them."""
    if isinstance(key, tuple):
        return tuple(map(hashable, key))
    is_nan = isinstance(key, Number) and key != key  # noqa: PLR0124 - that is how it shows
    return _NAN if is_nan else key


def at(path: str) -> str:
    """Return how a text begins that is about a part of an output."""
    return f"at {path}: " if path else ""


def short(value: Any) -> str:
    """Return what a value looks like, in at most 80 characters."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def incomparable(want: Any, problem: Exception, path: str) -> Mismatch:
    """Return what to raise for an output that cannot be compared, with what to pass."""
    name = type(want).__qualname__
    return Mismatch(
        f"{at(path)}outputs of type {name} cannot be compared with == ({type(problem).__name__}: {problem}): "
        "pass check=, a function of the expected and the actual output"
    )
