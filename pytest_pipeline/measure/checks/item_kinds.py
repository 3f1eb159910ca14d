"""Types and sizes of the items as one short mark, for the history: sessions with other items are not compared.

Sizes, not values. Values would tell more, but items made at random and paths in a temporary folder are new in
every session, and such a test would never have a history; what makes an item more work is mostly its size. And
values have no digest that every process agrees on: the pickle of a set, or of two equal strings that are one
object here and two there, is another one tomorrow. What stays unseen is a number that stands for work
(`[100, 200]` become `[1000, 2000]`), and anything inside an object of a class that is not known here.
"""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

MOST_PARTS = 10_000
"""Looked at in all the items of one comparison, about 10 ms; what comes later counts by its type only."""

MOST_ELEMENTS = 100
"""Of one container; of a longer one the number of elements must do."""

MOST_LEVELS = 4
"""Containers in containers."""

TEXT_FROM = 256
"""Characters: a shorter text is a name or a path, and its length says nothing about the work."""

_ARRAYS = {"numpy", "torch", "pandas", "polars", "cupy", "jax", "jaxlib", "tensorflow", "pyarrow"}
"""Libraries whose values have a `shape`, and reading it costs nothing."""


class ItemKinds:
    """Takes the items one by one and keeps only a hash of their kinds."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._parts = 0

    @property
    def mark(self) -> str:
        """Return 12 hex digits; an empty string before the first item."""
        return self._hash.hexdigest()[:12] if self._parts else ""

    def add(self, item: Any) -> None:
        """Take the next item."""
        self._hash.update(f"{self._kind(item, MOST_LEVELS)}\n".encode())

    def _kind(self, value: Any, levels: int) -> str:
        self._parts += 1
        name = type(value).__qualname__
        if self._parts > MOST_PARTS:
            return name
        try:
            return f"{name} {self._size(value, levels)}"
        except Exception:  # whatever a foreign property raises: the type must do
            return name

    def _size(self, value: Any, levels: int) -> str:
        if isinstance(value, str):
            return str(len(value)) if len(value) >= TEXT_FROM else ""
        if isinstance(value, bytes | bytearray | set | frozenset):
            return str(len(value))
        if type(value).__module__.partition(".")[0] in _ARRAYS:
            return f"{getattr(value, 'shape', '')} {getattr(value, 'dtype', '')}"
        parts = _parts_of(value)
        if parts is None:
            return ""
        is_looked_into = levels > 0 and len(parts) <= MOST_ELEMENTS
        kinds = [self._kind(each, levels - 1) for each in parts] if is_looked_into else []
        if isinstance(value, dict):
            kinds.sort()  # equal ones may be filled in any order
        return f"{len(parts)} ({', '.join(kinds)})"


def _parts_of(value: Any) -> list[Any] | tuple[Any, ...] | None:
    """Return the elements, values or fields of a container, None for anything else."""
    if isinstance(value, list | tuple):
        return value
    if isinstance(value, dict):
        return list(value.values())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, each.name) for each in dataclasses.fields(value)]
    return None
