"""Values as they were: to tell one that was changed from one that only filled a cache of its own.

The pickle of a value may change while the value does not: frames with dates and graphs keep what they have worked
out once, and so does every `functools.cached_property`. A fingerprint that differs is therefore confirmed by value.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

from pytest_pipeline.measure.checks.digest import digest
from pytest_pipeline.measure.checks.pickling import full_pickler, quick_pickler
from pytest_pipeline.measure.checks.state import is_same

MOST_BYTES = 64_000_000
"""Pickles kept by one room: the items, or the outputs, of one comparison."""


class Room:
    """Bounds what is kept of values for later."""

    def __init__(self, size: int = MOST_BYTES) -> None:
        self._left = size

    def keep(self, value: Any) -> bytes | None:
        """Return the pickle of `value`; None where there is no room for it, or where it has none."""
        for pickler in (quick_pickler, full_pickler):
            sink = _Bounded(self._left)
            try:
                pickler(sink).dump(value)
            except BufferError:
                return None
            except Exception:  # noqa: S112 - whatever a foreign __reduce__ raises
                continue
            self._left -= sink.tell()
            return sink.getvalue()
        return None


class Snapshot:
    """One value as it was."""

    def __init__(self, value: Any, room: Room) -> None:
        self._mark = digest(value)
        self._kept = None if self._mark is None else room.keep(value)

    @property
    def can_confirm(self) -> bool:
        """Whether the value was kept as it was."""
        return self._kept is not None

    def has_changed(self, value: Any) -> bool:
        """Tell whether `value` is another one by now; also where only its fingerprint can tell."""
        now = digest(value) if self._mark is not None else None
        if now == self._mark or now != digest(value):
            return False  # the latter: a pickle that is another one each time tells nothing
        if self._kept is None or not self._is_same(value):
            return True
        self._mark = now
        return False

    def _is_same(self, value: Any) -> bool:
        assert self._kept is not None
        try:
            return is_same(pickle.loads(self._kept), value)
        except Exception:  # of a foreign __setstate__, or of values nested too deep
            return False


class _Bounded(io.BytesIO):
    """Takes so many bytes and no more."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def write(self, data: Any) -> int:
        """Write `data`; raises `BufferError` where it is too much."""
        if self.tell() + memoryview(data).nbytes > self._most:
            raise BufferError
        return super().write(data)
