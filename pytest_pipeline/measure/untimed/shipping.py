"""What it would take to send stages, items and outputs to worker processes: a bounded, untimed sample."""

from __future__ import annotations

import contextlib
import io
import pickle
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from statistics import fmean
from typing import Any

from pytest_pipeline.clock import Clock
from pytest_pipeline.measure.checks.pickling import Keep, full_pickler, quick_pickler
from pytest_pipeline.model.plan import Plan, Source
from pytest_pipeline.model.whatif import Shipping

MOST_VALUES = 16
"""Items and outputs that are pickled."""

MOST_BYTES = 64_000_000
"""Bytes after which no further value is pickled, and that a stage or value may have in its pickle at most."""

LONGEST_S = 0.1
"""Seconds after which no further value is pickled."""


def sample_shipping(plan: Plan, source: Source, outputs: list[Any], clock: Clock) -> Shipping:
    """Pickle the stages, some items and some outputs once, as the processes executor would.

    Items are asked of the user's source once more: the caller surrounds that with set-up and teardown.
    """
    try:
        for stage, name in zip(plan.stages, plan.names, strict=True):
            _refuse_large_stage(stage.fn, f"stage {name!r}")
        with _first_items(source) as first:
            items = _weigh(first, clock, "an item")
        results = _weigh(outputs[:: max(1, -(-len(outputs) // MOST_VALUES))], clock, "an output")
    except Exception as error:  # whatever a foreign __reduce__ raises: it cannot travel
        return Shipping(0, 0, 0, 0, refusal=f"{type(error).__name__}: {error}")
    return Shipping(
        item_bytes=items.size,
        output_bytes=results.size,
        sender_s=items.dumping_s + results.loading_s,
        worker_s=items.loading_s + results.dumping_s,
    )


@contextlib.contextmanager
def _first_items(source: Source) -> Iterator[Iterator[Any]]:
    """Yield a few items; a generator is closed at once, not when memory is next tidied."""
    items = source.factory()
    try:
        yield islice(items, MOST_VALUES)
    finally:
        if isinstance(items, Generator):
            items.close()


@dataclass(frozen=True, slots=True)
class _Weight:
    """Means per value."""

    size: float
    dumping_s: float
    loading_s: float


def _weigh(values: Iterable[Any], clock: Clock, what: str) -> _Weight:
    sizes, dumping, loading = list[float](), list[float](), list[float]()
    began_ns = clock.now_ns()
    for value in values:
        _refuse_large(value, what)
        buffers: list[pickle.PickleBuffer] = []
        before_ns = clock.now_ns()
        body = _dumps(value, buffers.append)
        between_ns = clock.now_ns()
        pickle.loads(body, buffers=buffers)
        after_ns = clock.now_ns()
        sizes.append(len(body) + sum(buffer.raw().nbytes for buffer in buffers))
        dumping.append((between_ns - before_ns) / 1e9)
        loading.append((after_ns - between_ns) / 1e9)
        if sum(sizes) > MOST_BYTES or (after_ns - began_ns) / 1e9 > LONGEST_S:
            break
    return _Weight(*(fmean(kept or [0.0]) for kept in (sizes, dumping, loading)))


def _dumps(value: object, keep: Keep) -> bytes:
    try:
        return _pickled(quick_pickler, value, keep)
    except Exception:  # a lambda, or an instance of a local class: the slow way takes those
        return _pickled(full_pickler, value, keep)


def _pickled(pickler: Callable[..., Any], value: object, keep: Keep) -> bytes:
    file = io.BytesIO()
    pickler(file, keep).dump(value)
    return file.getvalue()


def _refuse_large_stage(fn: object, what: str) -> None:
    import cloudpickle

    # As the processes executor sends stages: whole storages, which several tensors of a model may share.
    cloudpickle.Pickler(_Scale(what), protocol=5).dump(fn)


def _refuse_large(value: object, what: str) -> None:
    """Raise `pickle.PicklingError` for a pickle that would take long, before it takes memory or is timed."""
    full_pickler(_Scale(what), _beside).dump(value)


def _beside(_: pickle.PickleBuffer) -> bool:
    """Leave a buffer out of the pickle: it travels beside it, uncopied."""
    return False


class _Scale(io.RawIOBase):
    """Takes what a pickler writes, keeps nothing, and refuses what is too large to try."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._left = MOST_BYTES

    def write(self, data: Any) -> int:
        """Count `data`; raises `pickle.PicklingError` beyond `MOST_BYTES`."""
        size = memoryview(data).nbytes
        self._left -= size
        if self._left < 0:
            raise pickle.PicklingError(f"{self._what} holds more than {MOST_BYTES / 1e6:.0f} MB")
        return size

    def writable(self) -> bool:
        """Say yes."""
        return True
