"""Tensors inside an item: tuples, lists, dicts and chunks of items are looked into, anything else is a leaf."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pytest_pipeline.executors._steps import Chunk


def mapped(value: Any, fn: Callable[[Any], Any]) -> Any:
    """Return `value` with `fn` applied to every leaf, in a fixed order."""
    if type(value) is tuple:
        return tuple(mapped(each, fn) for each in value)
    if type(value) is list:
        return [mapped(each, fn) for each in value]
    if type(value) is dict:
        return {key: mapped(each, fn) for key, each in value.items()}
    if type(value) is Chunk:
        return replace(value, values=mapped(value.values, fn))
    return fn(value)


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
