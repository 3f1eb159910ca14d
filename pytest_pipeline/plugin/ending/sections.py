"""Sections that other plugins add to the report: asked for once, after the last test, where the report is made."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from pytest_pipeline.errors import UsageError
from pytest_pipeline.plugin.names import RAISED_BY_HOOKS, near

HOOK = "pytest_pipeline_report_sections"

MAX_BYTES = 200_000
"""All sections together, as JSON: they stand in the page twice, as markup and as data."""

_KEYS = ("title", "text", "header", "rows")


def ask_for_sections(
    config: pytest.Config, document: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], str]:
    """Return the sections of all plugins in plain types, and why they are left out when they are.

    A plugin that raises or answers nonsense costs its sections, never a verdict or the report.
    """
    try:
        answers = getattr(config.hook, HOOK)(config=config, document=document)
        sections = [_section(each) for answer in reversed(answers) for each in answer or ()]
        _check_size(sections)
    except UsageError as problem:
        return [], f"{HOOK}: {problem}; no section was added to the report"
    except RAISED_BY_HOOKS as problem:
        said = f"{type(problem).__name__}: {problem}"
        return [], f"{HOOK} raised {said}; no section was added to the report"
    return sections, ""


def _section(given: object) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise UsageError(f"a section is a mapping with a 'title', found {given!r}")
    for key in given:
        if key not in _KEYS:
            raise UsageError(
                f"a section has {', '.join(_KEYS)}, found {key!r}{near(str(key), _KEYS)}"
            )
    title, text = given.get("title", ""), given.get("text", "")
    if not isinstance(title, str) or not title.strip():
        raise UsageError(f"a section needs a 'title' of text, found {title!r}")
    if not isinstance(text, str):
        raise UsageError(f"section {title!r}: 'text' is text, found {text!r}")
    header = _cells(title, "header", given.get("header", ()))
    rows = [_cells(title, "rows", row) for row in _sequence(title, "rows", given.get("rows", ()))]
    widths = {len(row) for row in rows} | ({len(header)} if header else set())
    if len(widths) > 1:
        raise UsageError(
            f"section {title!r}: rows of {' and '.join(map(str, sorted(widths)))} cells"
        )
    return {"title": title, "text": text, "header": header, "rows": rows}


def _cells(title: str, key: str, given: object) -> list[str]:
    return [str(each) for each in _sequence(title, key, given)]


def _sequence(title: str, key: str, given: object) -> Sequence[object]:
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise UsageError(f"section {title!r}: {key!r} has lists of cells, found {given!r}")
    return given


def _check_size(sections: Sequence[Mapping[str, Any]]) -> None:
    size = len(json.dumps(sections))
    if size > MAX_BYTES:
        raise UsageError(
            f"{size // 1000} kB of sections, at most {MAX_BYTES // 1000} kB fit the report: leave the rest to a file of your own"
        )
