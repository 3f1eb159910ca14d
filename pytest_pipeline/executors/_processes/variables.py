"""Context variables of the test in worker processes: which one is meant, and what it holds.

A `ContextVar` does not pickle. One that a module of the worker can import is named by module and
attribute; any other one (of a test module, of a closure) gets a twin in the worker, by a key.
"""

from __future__ import annotations

import contextlib
import contextvars
import importlib
import sys
import uuid
from collections.abc import Callable, Iterable
from typing import Any

_Variable = contextvars.ContextVar[Any]

_KEYS: dict[_Variable, str] = {}
"""Key of every variable that was sent, or that has a twin here."""

_BY_KEY: dict[str, _Variable] = {}

_HOMES: dict[_Variable, tuple[str, str] | None] = {}
"""Module and attribute where a variable was found; None where it was not."""


def reduce_variable(variable: _Variable, by_value: Iterable[str]) -> tuple[Any, ...]:
    """Return how to pickle the variable itself, which is not its value."""
    home = _home(variable)
    if home is not None and home[0] not in by_value and home[0] != "__main__":
        return _imported, home
    key = _KEYS.get(variable)
    if key is None:
        key = _KEYS[variable] = str(uuid.uuid4())
        _BY_KEY[key] = variable
    default: tuple[Any, ...] = ()
    # Without a value in its context, `get` gives the default that it was created with.
    with contextlib.suppress(LookupError):
        default = (contextvars.Context().run(variable.get),)
    return _twin, (key, variable.name, default)


def capture_variables(
    dumps: Callable[[object], bytes], installed: Callable[[str], bool]
) -> tuple[list[bytes], list[str]]:
    """Return the pickled (variable, value) pairs of this context, and who of them cannot travel.

    Variables that no module holds and no stage refers to are left out: a worker cannot reach them.
    Those of installed packages are left out without a word when they do not pickle.
    """
    pairs, left_out = [], []
    for variable, value in contextvars.copy_context().items():
        home = _home(variable)
        if home is None and variable not in _KEYS:
            continue
        try:
            pairs.append(dumps((variable, value)))
        except Exception as error:
            if home is None or not installed(home[0]):
                left_out.append(f"{variable.name!r} ({type(error).__name__}: {error})")
    return pairs, left_out


def _home(variable: _Variable) -> tuple[str, str] | None:
    if variable not in _HOMES:
        _HOMES[variable] = _find(variable)
    return _HOMES[variable]


def _find(variable: _Variable) -> tuple[str, str] | None:
    for name, module in list(sys.modules.items()):
        for attribute, value in list(getattr(module, "__dict__", {}).items()):
            if value is variable:
                return name, attribute
    return None


def _imported(module: str, attribute: str) -> _Variable:
    found: _Variable = getattr(importlib.import_module(module), attribute)
    return found


def _twin(key: str, name: str, default: tuple[Any, ...]) -> _Variable:
    found = _BY_KEY.get(key)
    if found is None:
        found = contextvars.ContextVar(name, default=default[0]) if default else contextvars.ContextVar(name)  # fmt: skip
        _BY_KEY[key], _KEYS[found] = found, key
    return found
