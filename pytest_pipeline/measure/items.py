"""What the user passes as `items` -> a `Source` that every execution can start afresh."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pytest_pipeline.errors import UsageError
from pytest_pipeline.measure.checks.loaded import loaded_type
from pytest_pipeline.model.plan import Arrivals, Source

_VIEWS: tuple[type, ...] = (type({}.keys()), type({}.values()), type({}.items()))
"""Those of a dict; another mapping's may read a file, as those of h5py do."""

_IN_MEMORY = (list, tuple, range, set, frozenset, dict, *_VIEWS, deque)
"""Whose items wait for nobody. What else can be iterated may read files or a queue, as a `DataLoader` does."""

_ARRAYS = {"numpy", "pandas", "torch", "polars", "pyarrow", "cupy"}
"""Libraries whose arrays and tables lie in memory. Those of zarr and h5py are arrays too, and read a file."""


def make_source(items: Any) -> Source:
    """Return the source of `items`: a re-iterable collection, or a callable returning a fresh iterator.

    Raises `UsageError` for a one-shot iterator (naming both ways out), text, a frame, or something not iterable.
    """
    if isinstance(items, str | bytes):
        raise UsageError(
            f"items is a {type(items).__name__}: pass a list, or a function that returns an iterator"
        )
    if isinstance(items, Iterator):
        raise UsageError(
            f"items is a one-shot {type(items).__name__}: stages run many times, so pass a list "
            "(`list(items)`) or the function that makes it (`lambda: read_batches(path)`)"
        )
    frame = loaded_type("pandas", "DataFrame")
    if frame is not None and isinstance(items, frame):
        raise UsageError(
            "items is a pandas DataFrame, which iterates over its column names: pass pieces "
            "(`[df[i : i + 1000] for i in range(0, len(df), 1000)]`), rows (`df.to_dict('records')`) or `list(df)`"
        )
    if isinstance(items, Iterable):
        return Source(lambda: iter(items), is_lazy=not _is_in_memory(items))
    if callable(items):
        return Source(lambda: _fresh(items), is_timed=True)
    raise UsageError(
        f"items is a {type(items).__name__}: pass a list, or a function that returns an iterator"
    )


def _is_in_memory(items: Iterable[Any]) -> bool:
    """Return whether nothing is read while `items` are iterated."""
    if isinstance(items, _IN_MEMORY):
        return True
    return type(items).__module__.partition(".")[0] in _ARRAYS and hasattr(items, "__array__")


def _fresh(items: Callable[[], Any]) -> Iterator[Any]:
    made = items()
    if not isinstance(made, Iterable):
        raise UsageError(
            f"items() returned {type(made).__name__}: it must return an iterable of items"
        )
    return iter(made)


def schedule_ns(arrivals: Arrivals, count: int, *, execution: int = 0) -> list[int]:
    """Return the intended start of each item, nanoseconds after the start of the execution.

    Poisson gaps are drawn from `arrivals.seed` and the execution's number, before anything runs.
    """
    if arrivals.distribution == "constant":
        return [round(i * 1e9 / arrivals.rate) for i in range(count)]
    import random

    gaps = random.Random(f"{arrivals.seed}-{execution}")  # noqa: S311 - a schedule, not a secret
    at, offsets = 0.0, []
    for _ in range(count):
        offsets.append(round(at * 1e9))
        at += gaps.expovariate(arrivals.rate)
    return offsets
