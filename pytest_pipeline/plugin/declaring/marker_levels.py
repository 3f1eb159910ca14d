"""The markers of ours on a test, level by level: parameter set, function, class and its bases, module."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pytest_pipeline.plugin.names import MARKERS


def levels(item: pytest.Item) -> Iterator[list[pytest.Mark]]:
    """Yield the marks of ours on `item`, nearest level first.

    pytest keeps marks added by code, `pytest.param(marks=)` and decorators in one list, and lists
    base classes before derived ones; nearest-wins needs them apart.
    """
    for node in reversed(item.listchain()):
        own = [mark for mark in node.own_markers if mark.name in MARKERS]
        if own:
            written = _written_levels(node)
            yield [mark for mark in own if not any(_holds(level, mark) for level in written)]
            yield from ([mark for mark in level if _holds(own, mark)] for level in written)


def _written_levels(node: Any) -> list[list[pytest.Mark]]:
    callspec = getattr(node, "callspec", None)
    params = list(callspec.marks) if callspec is not None else []
    sources = node.obj.__mro__ if isinstance(node, pytest.Class) else [getattr(node, "obj", None)]
    return [params, *(_written_on(source) for source in sources)]


def _holds(marks: list[pytest.Mark], mark: pytest.Mark) -> bool:
    return any(mark is each for each in marks)


def _written_on(source: object) -> list[pytest.Mark]:
    found = (
        source.__dict__.get("pytestmark", [])
        if isinstance(source, type)
        else getattr(source, "pytestmark", [])
    )
    listed = found if isinstance(found, list) else [found]
    marks = (getattr(each, "mark", each) for each in listed)
    return [mark for mark in marks if isinstance(mark, pytest.Mark)]
