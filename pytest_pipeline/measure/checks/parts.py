"""What objects are made of that are compared part by part, so that a tolerance reaches what they hold."""

from __future__ import annotations

import dataclasses
import types
from typing import Any


def parts_of(value: Any) -> dict[str, Any] | None:
    """Return the attributes of a record by name; None for what is no record, or says itself when it is equal.

    Records are dataclasses, classes of attrs, `SimpleNamespace`, and exceptions by their `args`. Fields that their
    own comparison leaves out are left out.
    """
    names = _names(value)
    return None if names is None else {name: getattr(value, name) for name in names}


def _names(value: Any) -> list[str] | None:
    if isinstance(value, type) or _is_handwritten(type(value).__eq__):
        return None
    if isinstance(value, BaseException):
        return ["args"]
    if isinstance(value, types.SimpleNamespace):
        return [*vars(value)]
    if dataclasses.is_dataclass(value):
        return [each.name for each in dataclasses.fields(value) if each.compare]
    attributes = getattr(type(value), "__attrs_attrs__", None)
    return None if attributes is None else [each.name for each in attributes if each.eq]


def _is_handwritten(equality: Any) -> bool:
    """Whether a class has an `__eq__` of somebody's own: generated code is from no file."""
    code = getattr(equality, "__code__", None)
    return code is not None and not str(code.co_filename).startswith("<")
