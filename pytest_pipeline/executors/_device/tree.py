"""Tensors inside an item: what is looked into, and how it is put together again.

Tuples (named ones too), lists, dicts (also of a class of their own), dataclasses and chunks of items
are looked into; anything else is a leaf. What has no wanted leaf stays the object that it was.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import fields, is_dataclass, replace
from typing import Any

from pytest_pipeline.executors._steps import Chunk


def mapped(value: Any, fn: Callable[[Any], Any], *, inside: tuple[int, ...] = ()) -> Any:
    """Return `value` with `fn` applied to every leaf, in a fixed order.

    `inside` are the records around it, by identity: one that leads back to itself is a leaf there.
    """
    if type(value) is tuple:
        return tuple(mapped(each, fn, inside=inside) for each in value)
    if type(value) is list:
        return [mapped(each, fn, inside=inside) for each in value]
    if type(value) is dict:
        return {key: mapped(each, fn, inside=inside) for key, each in value.items()}
    if type(value) is Chunk:
        return replace(value, values=mapped(value.values, fn))
    parts = None if id(value) in inside else _parts(value)
    if parts is None:
        return fn(value)
    made = {key: mapped(each, fn, inside=(*inside, id(value))) for key, each in parts.items()}
    changed = {key: each for key, each in made.items() if each is not parts[key]}
    return _with(value, changed) if changed else value


def _parts(value: Any) -> dict[Any, Any] | None:
    """Return what a record holds, by name; None for a leaf."""
    if isinstance(value, dict):
        return dict(value)
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return dict(value._asdict())
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return None


def _with(value: Any, changed: dict[Any, Any]) -> Any:
    """Return a shallow copy of a record with other parts; no constructor is called."""
    if isinstance(value, tuple) and hasattr(value, "_replace"):
        return value._replace(**changed)
    made = copy(value)
    for key, each in changed.items():
        if isinstance(value, dict):
            made[key] = each
        else:
            object.__setattr__(made, key, each)  # frozen ones too
    return made


def leaves(value: Any, wanted: Callable[[Any], bool]) -> list[Any]:
    """Return the leaves that `wanted` says yes to, in the order of `mapped`."""
    found: list[Any] = []

    def look(leaf: Any) -> Any:
        if wanted(leaf):
            found.append(leaf)
        return leaf

    mapped(value, look)
    return found


def replaced(value: Any, wanted: Callable[[Any], bool], new: list[Any]) -> Any:
    """Return `value` with the wanted leaves replaced by `new`, in the same order."""
    rest = iter(new)
    return mapped(value, lambda leaf: next(rest) if wanted(leaf) else leaf)
