"""What a stage may be called, and which callables cannot be one: those that only begin their work when called."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Coroutine
from typing import Any

from pytest_pipeline.errors import UsageError

_LAZY = (types.GeneratorType, map, filter, zip, enumerate)


def refuse_unsupported(label: str, fn: Callable[..., Any]) -> None:
    """Raise `UsageError` when `fn` is a coroutine or generator function, or an object that is called like one."""
    fn = _inside_partials(fn)
    # Calling a class makes an instance, whatever calling that one would do.
    if not (inspect.isfunction(fn) or inspect.ismethod(fn) or isinstance(fn, type)):
        fn = getattr(fn, "__call__", fn)  # noqa: B004 - the bound method tells async and generator callables
    if inspect.iscoroutinefunction(fn):
        raise UsageError(
            f"stage {label!r} is a coroutine function: the asyncio executor is not in this release"
        )
    if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
        raise UsageError(
            f"stage {label!r} is a generator function: stages with several outputs per item are not in this release; return a list instead"
        )


def refuse_lazy(label: str, value: object) -> None:
    """Raise `UsageError` when what the last stage returned still has its work before it: nobody would ever time it.

    Known are generators, `map` and its like, iterators of `itertools`, polars' lazy frames and dask's collections.
    """
    kind = type(value)
    is_lazy = isinstance(value, _LAZY) or kind.__module__ == "itertools"
    is_lazy = is_lazy or (kind.__module__.startswith("polars") and kind.__name__ == "LazyFrame")
    if is_lazy or getattr(value, "__dask_graph__", None) is not None:
        raise UsageError(
            f"stage {label!r} returned a {kind.__name__}, whose work is still before it, and would never be timed\n"
            "next: let the stage do it: return list(...) of it, or its .collect() or .compute()"
        )


def refuse_awaitable(label: str, value: object) -> None:
    """Raise `UsageError` when what a stage returned is a coroutine: a plain function may call one that is not.

    Futures are let through, since the next stage may wait for them.
    """
    if isinstance(value, Coroutine):
        value.close()  # otherwise Python warns that it was never awaited
        raise UsageError(
            f"stage {label!r} returned a coroutine, which nothing awaits: the asyncio executor is not in this release\n"
            "next: run it to its end inside the stage, asyncio.run(...)"
        )


def function_name(fn: Callable[..., Any]) -> str:
    """Return what messages and reports call a stage that was given no name."""
    fn = _inside_partials(fn)
    name = getattr(fn, "__name__", None) or type(fn).__name__
    return "lambda" if name == "<lambda>" else str(name)


def _inside_partials(fn: Callable[..., Any]) -> Callable[..., Any]:
    while isinstance(fn, functools.partial):
        fn = fn.func
    return fn
