"""Functions behind `functools.cache` and `lru_cache`, which pickle by name only: even cloudpickle cannot send their code."""

from __future__ import annotations

import functools
from collections.abc import Callable, Container
from typing import Any

from pytest_pipeline.executors._processes.byvalue import is_module_attribute

CACHED: type = type(functools.cache(len))
"""What `functools.cache` and `lru_cache` make of a function."""


def reduce_cached(cached: Any, by_value: Container[str]) -> Any:
    """Return how to wrap the function again, with nothing in its cache; `NotImplemented` where a name will do."""
    if getattr(cached, "__module__", "") not in by_value and is_module_attribute(cached):
        return NotImplemented
    return _wrapped, (cached.__wrapped__, cached.cache_parameters())


def _wrapped(fn: Callable[..., Any], parameters: dict[str, Any]) -> Any:
    return functools.lru_cache(**parameters)(fn)
