"""Whose fixture is it? Many projects have a fixture called `pipeline` of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_pipeline.plugin.names import FIXTURES, PIPELINE_FIXTURES

_OURS = "pytest_pipeline."
_PARAMETRIZATION = "a parametrization"


def uses_our_fixtures(item: pytest.Item) -> bool:
    """Return True when a fixture that `item` resolves is one of ours (or wraps one of ours)."""
    return any(_is_ours(item, name) for name in FIXTURES if name in _names(item))


def foreign_pipeline(item: pytest.Item) -> str:
    """Return where the `pipeline` fixture of `item` comes from when it is not ours, else nothing."""
    for name in PIPELINE_FIXTURES:
        if name in _names(item) and not _is_ours(item, name):
            definitions = _definitions(item, name)
            return _place(item, definitions[-1].func) if definitions else _PARAMETRIZATION
    return ""


def _names(item: pytest.Item) -> list[str]:
    return getattr(item, "fixturenames", [])


def _definitions(item: pytest.Item, name: str) -> tuple[Any, ...]:
    info = getattr(item, "_fixtureinfo", None)
    return tuple(info.name2fixturedefs.get(name, ())) if info is not None else ()


def _is_ours(item: pytest.Item, name: str) -> bool:
    """Follow overrides from the nearest outward: an override that asks for its own name wraps it."""
    for definition in reversed(_definitions(item, name)):
        if _module(definition.func).startswith(_OURS):
            return True
        if name not in definition.argnames:
            return False
    return False


def _module(func: object) -> str:
    return str(getattr(func, "__module__", ""))


def _place(item: pytest.Item, func: Any) -> str:
    if _module(func).startswith("_pytest."):  # by which pytest hands on the value of a parameter
        return _PARAMETRIZATION
    code = getattr(func, "__code__", None)
    if code is None:
        return _module(func)
    path = Path(code.co_filename)
    if path.is_relative_to(item.config.rootpath):
        path = path.relative_to(item.config.rootpath)
    return f"{path}:{code.co_firstlineno}"
