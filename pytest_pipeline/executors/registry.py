"""Names of executors, and how to get from a name to one."""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Mapping

from pytest_pipeline.errors import UsageError
from pytest_pipeline.executors.protocol import Executor

ENTRY_POINT_GROUP = "pytest_pipeline.executors"
"""Entry points of this group add executors: the name, and a callable that returns one."""

_BUILT_IN = {
    "serial": ("pytest_pipeline.executors.serial", "Serial"),
    "threads": ("pytest_pipeline.executors.threads", "Threads"),
    "processes": ("pytest_pipeline.executors.processes", "Processes"),
    "cuda": ("pytest_pipeline.executors.cuda", "Cuda"),
}

NAMES = tuple(_BUILT_IN)
"""Names of the executors in this package."""


def resolve(spec: str | Executor, extra: Mapping[str, Executor] | None = None) -> Executor:
    """Return the executor named `spec`, or `spec` itself when it is one already.

    `extra` holds executors that hooks have added; they may stand in for a built-in one. Entry points are looked up only for a name that
    neither this package nor `extra` knows. Raises `UsageError` listing the known names.
    """
    if not isinstance(spec, str):
        return _checked(spec)
    if extra is not None and spec in extra:
        return _checked(extra[spec])
    if spec in _BUILT_IN:
        module, attribute = _BUILT_IN[spec]
        return _checked(getattr(importlib.import_module(module), attribute)())
    return _from_entry_point(spec, [*NAMES, *(extra or ())])


def _from_entry_point(name: str, known: list[str]) -> Executor:
    from importlib.metadata import entry_points

    points = entry_points(group=ENTRY_POINT_GROUP)
    if name in points.names:
        return _checked(points[name].load()())
    known = [*known, *sorted(points.names)]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise UsageError(f"unknown executor {name!r}{hint}: known are {', '.join(known)}")


def _checked(executor: object) -> Executor:
    if isinstance(executor, type):
        raise UsageError(
            f"executor {executor.__name__} is a class: pass an instance, {executor.__name__}()"
        )
    if not isinstance(executor, Executor):
        raise UsageError(
            f"{executor!r} is not an executor: it needs name, workers(plan), unavailable() and open(plan), "
            f"or pass one of the names {', '.join(NAMES)}"
        )
    return executor


def hung_workers() -> tuple[str, ...]:
    """Return the names of abandoned worker threads that still live in this process."""
    crew = sys.modules.get("pytest_pipeline.executors._crew")
    return () if crew is None else tuple(crew.hung_threads())
