"""Sections that other plugins add: a title, paragraphs and a table, all of it text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_pipeline.report.text import one_line
from pytest_pipeline.report.words import Json


@dataclass(frozen=True, slots=True)
class Section:
    """One section, after the tests and before the environment."""

    anchor: str
    """`section-1`, ..."""
    title: str
    paragraphs: tuple[str, ...]
    header: tuple[str, ...]
    """Empty when the table has none."""
    rows: tuple[tuple[str, ...], ...]
    """As wide as the header. Empty: no table."""


def make_sections(document: Json) -> tuple[Section, ...]:
    """Return the sections of `document`; one written before they existed has none."""
    return tuple(
        Section(
            anchor=f"section-{number}",
            title=one_line(each["title"]),
            paragraphs=_paragraphs(each["text"]),
            header=tuple(each["header"]),
            rows=_rows(each["rows"]),
        )
        for number, each in enumerate(document.get("sections", ()), start=1)
    )


def _paragraphs(text: str) -> tuple[str, ...]:
    return tuple(part for part in (line.strip() for line in text.split("\n")) if part)


def _rows(rows: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(row) for row in rows)
