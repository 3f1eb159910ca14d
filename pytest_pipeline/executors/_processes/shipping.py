"""Turn stages, items, outputs and exceptions into bytes and back, on both sides of a channel.

Stages go by cloudpickle, once per worker. Items and outputs go by plain pickle (protocol 5, large
buffers out of band) with one change: a class that the other side cannot import is named by
cloudpickle's tracker id. Where the stages have brought the class over already, both sides map the
name to the class that the user's code holds: `isinstance` and `==` keep working on outputs. Any other
class travels with its definition.
"""

from __future__ import annotations

import contextvars
import io
import pickle
import sys
import types
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import cloudpickle
from cloudpickle import cloudpickle as _tracker

from pytest_pipeline.errors import ShippingError
from pytest_pipeline.executors._processes.byvalue import (
    by_value_modules,
    is_module_attribute,
    shipped_by_value,
)
from pytest_pipeline.executors._processes.cached import CACHED, reduce_cached
from pytest_pipeline.executors._processes.tensors import reduce_tensor
from pytest_pipeline.executors._processes.times import reduce_times
from pytest_pipeline.executors._processes.variables import reduce_variable

_PLAIN = frozenset({type(None), bool, int, float, complex, str, bytes, bytearray})
"""Types that need none of the care below."""

_LARGE = frozenset({"numpy", "torch"})
"""Modules of arrays, some of which would be copied into the pickle."""

_NAMED_ONLY = frozenset({contextvars.ContextVar, CACHED})
"""Types that cloudpickle sends by name or not at all."""

_IN_BAND_BYTES = 16 * 1024
"""Smaller buffers are cheaper to copy into the pickle than to send as a piece of their own."""


def pickle_stages(
    fns: Sequence[Callable[[Any], Any]], names: Sequence[str]
) -> tuple[bytes, WeakSet[type]]:
    """Return the stages as bytes, and the classes whose definitions are in them.

    Raises `ShippingError` naming the stage that cannot travel.
    """
    loaded = by_value_modules()
    modules = frozenset(module.__name__ for module in loaded)
    with shipped_by_value(loaded):
        try:
            # All in one, so that objects that stages share are still shared in the worker.
            return _dump_by_value(tuple(fns), modules)
        except Exception as error:
            _name_culprit(fns, names, modules)
            raise ShippingError(
                f"the stages cannot be sent to worker processes: {_text(error)}"
            ) from error


def _name_culprit(
    fns: Sequence[Callable[[Any], Any]], names: Sequence[str], modules: frozenset[str]
) -> None:
    for fn, name in zip(fns, names, strict=True):
        try:
            _dump_by_value(fn, modules)
        except Exception as error:
            raise ShippingError(
                f"stage {name!r} cannot be sent to worker processes: {_text(error)}; "
                "create what does not pickle (locks, connections, files) inside the stage, or use threads"
            ) from error


def _dump_by_value(value: object, modules: frozenset[str]) -> tuple[bytes, WeakSet[type]]:
    """Return the pickle of stages or a class, where `modules` go by value, and the classes defined in it."""
    file = io.BytesIO()
    pickler = _DefiningPickler(file, protocol=pickle.HIGHEST_PROTOCOL)
    pickler.by_value = modules
    pickler.brought = WeakSet()
    pickler.dump(value)
    return file.getvalue(), pickler.brought


def dynamic_classes() -> list[type]:
    """Return the classes of this process that it could not import."""
    return list(_tracker._DYNAMIC_CLASS_TRACKER_BY_CLASS)  # noqa: SLF001 - no public way


class Codec:
    """Pickles values for the other side. One per open pool, and one in each worker."""

    def __init__(
        self, *, is_worker: bool, is_relayed: bool = False, brought: Iterable[type] = ()
    ) -> None:
        """`brought` are the classes that every other side has: they came with the stages."""
        self._modules = [] if is_worker else by_value_modules()
        self._by_value = frozenset(module.__name__ for module in self._modules)
        # Another worker may see such a class for the first time; the parent has them all.
        self._ships_definitions = is_relayed or not is_worker
        self._brought = WeakSet(brought)
        self._importable: set[type] = set()
        # A stage may make a class per item: it must not live as long as the pool.
        self._dynamic: WeakKeyDictionary[type, tuple[Any, ...]] = WeakKeyDictionary()

    def dumps(self, value: object, *, out_of_band: bool = True) -> tuple[bytes, list[memoryview]]:
        """Return the pickle of `value` and its large buffers."""
        if type(value) in _PLAIN or (type(value) is list and _PLAIN.issuperset(map(type, value))):
            return pickle.dumps(value, pickle.HIGHEST_PROTOCOL), []
        smallest = _IN_BAND_BYTES if out_of_band else sys.maxsize
        try:
            return self._dump(_Pickler, value, smallest)
        except Exception:  # a lambda, or an instance of something odd: the slow way takes those
            with shipped_by_value(self._modules):
                return self._dump(_FullPickler, value, smallest)

    @staticmethod
    def loads(body: bytes | bytearray, buffers: Sequence[Any]) -> Any:
        """Return the value."""
        return pickle.loads(body, buffers=buffers)

    def _dump(self, pickler: Any, value: object, smallest: int) -> tuple[bytes, list[memoryview]]:
        file, buffers = io.BytesIO(), list[memoryview]()

        def keep_in_band(buffer: pickle.PickleBuffer) -> bool:
            raw = buffer.raw()
            if raw.nbytes < smallest:
                return True
            buffers.append(raw)
            return False

        made = pickler(file, protocol=pickle.HIGHEST_PROTOCOL, buffer_callback=keep_in_band)
        made.by_value = self._by_value
        made.reduce_class = self._reduce_class
        made.dump(value)
        return file.getvalue(), buffers

    def _reduce_class(self, cls: type) -> tuple[Any, ...] | None:
        """Return how to pickle `cls` when the other side cannot import it, else None."""
        if cls in self._importable:
            return None
        reduced = self._dynamic.get(cls)
        if reduced is not None:
            return reduced
        if cls.__module__ not in self._by_value and is_module_attribute(cls):
            self._importable.add(cls)
            return None
        is_new = cls not in _tracker._DYNAMIC_CLASS_TRACKER_BY_CLASS  # noqa: SLF001 - no public way
        definition = None
        if is_new or (self._ships_definitions and cls not in self._brought):
            with shipped_by_value(self._modules):
                definition, _ = _dump_by_value(cls, self._by_value)
        reduced = (_restore_class, (_tracker._get_or_create_tracker_id(cls), definition))  # noqa: SLF001
        self._dynamic[cls] = reduced
        return reduced


class _Pickler(pickle.Pickler):
    """The C pickler, asking about classes only, and refusing functions that need cloudpickle."""

    by_value: frozenset[str]
    reduce_class: Callable[[type], tuple[Any, ...] | None]

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, type):
            return self.reduce_class(obj) or NotImplemented
        if type(obj).__module__ in _LARGE:
            return _reduce_large(obj)
        if type(obj) in _NAMED_ONLY:
            return _reduce_named(obj, self.by_value)
        if isinstance(obj, types.FunctionType) and (
            obj.__module__ == "__main__" or obj.__module__ in self.by_value
        ):
            raise pickle.PicklingError(
                "a function that the other side cannot import: send its code"
            )
        return NotImplemented


def _reduce_large(obj: Any) -> Any:
    """Return how to pickle an array without a copy; `NotImplemented` for what needs no help."""
    return reduce_tensor(obj) if type(obj).__module__ == "torch" else reduce_times(obj)


def _reduce_named(obj: Any, by_value: frozenset[str]) -> Any:
    """Return how to pickle what not even cloudpickle can send where its name is unknown."""
    is_variable = isinstance(obj, contextvars.ContextVar)
    return reduce_variable(obj, by_value) if is_variable else reduce_cached(obj, by_value)


class _FullPickler(cloudpickle.Pickler):  # type: ignore[misc]  # cloudpickle is untyped
    """Cloudpickle, with the same names for classes."""

    by_value: frozenset[str]
    reduce_class: Callable[[type], tuple[Any, ...] | None]

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, type):
            reduced = self.reduce_class(obj)
            if reduced is not None:
                return reduced
        if type(obj).__module__ in _LARGE and (made := _reduce_large(obj)) is not NotImplemented:
            return made
        if type(obj) in _NAMED_ONLY:
            return _reduce_named(obj, self.by_value)
        return super().reducer_override(obj)


class _DefiningPickler(cloudpickle.Pickler):  # type: ignore[misc]  # cloudpickle is untyped
    """Cloudpickle for stages and classes, which notes the classes that it defines."""

    by_value: frozenset[str]
    brought: WeakSet[type]

    def reducer_override(self, obj: Any) -> Any:
        if type(obj) in _NAMED_ONLY:
            return _reduce_named(obj, self.by_value)
        reduced = super().reducer_override(obj)
        # What cloudpickle only names has two parts.
        if isinstance(obj, type) and reduced is not NotImplemented and len(reduced) > 2:
            self.brought.add(obj)
        return reduced


def _restore_class(tracker_id: str, definition: bytes | None) -> Any:
    """Return the class of that id. A known one is left alone: loading would overwrite its state."""
    known = _tracker._DYNAMIC_CLASS_TRACKER_BY_ID.get(tracker_id)  # noqa: SLF001 - no public way
    if known is not None:
        return known
    if definition is None:
        raise pickle.UnpicklingError("a class of the worker process is unknown here")
    return pickle.loads(definition)


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
