"""A table as the templates take it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """A plain table: the first cell of each row is its header."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
