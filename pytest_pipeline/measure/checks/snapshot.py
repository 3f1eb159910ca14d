"""Values as they were: to tell one that was changed from one that only filled a cache of its own.

The pickle of a value may change while the value does not: frames with dates and graphs keep what they have worked
out once, and so does every `functools.cached_property`. A fingerprint that differs is therefore confirmed by value.
"""

from __future__ import annotations

import pickle
from typing import Any

from pytest_pipeline.measure.checks.digest import digest, hashed
from pytest_pipeline.measure.checks.state import is_same

MOST_BYTES = 64_000_000
"""Pickles kept by one room: the items, or the outputs, of one comparison."""


class Room:
    """Bounds what is kept of values for later."""

    def __init__(self, size: int = MOST_BYTES) -> None:
        self.left = size
        """Bytes that may still be kept."""


class Snapshot:
    """One value as it was."""

    def __init__(self, value: Any, room: Room) -> None:
        written = hashed(value, room.left)
        self._mark = None if written is None else written.digest()
        self._kept = None if written is None else written.kept
        room.left -= len(self._kept or b"")

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
