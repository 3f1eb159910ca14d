"""Short fingerprints of values, to notice change without keeping copies."""

from __future__ import annotations

import hashlib
import io
from typing import Any

from pytest_pipeline.measure.checks.pickling import full_pickler, quick_pickler


def digest(value: Any) -> bytes | None:
    """Return 16 bytes that change when `value` changes; None when it cannot be serialised.

    Equal digests mean equal values; different ones may still be equal (pickling depends on object
    identity), so a difference must be confirmed by comparing the values.
    """
    sink = _HashingFile()
    try:
        quick_pickler(sink).dump(value)
    except Exception:  # whatever a foreign __reduce__ raises: it cannot be fingerprinted
        return _by_value(value)
    return sink.digest()


def _by_value(value: Any) -> bytes | None:
    sink = _HashingFile()
    try:
        full_pickler(sink).dump(value)
    except Exception:  # the same
        return None
    return sink.digest()


class _HashingFile(io.RawIOBase):
    """Takes what a pickler writes and keeps only its hash."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=16)

    def write(self, data: Any) -> int:
        """Hash `data`."""
        view = memoryview(data).cast("B") if not isinstance(data, bytes) else data
        self._hash.update(view)
        return len(view)

    def writable(self) -> bool:
        """Say yes."""
        return True

    def digest(self) -> bytes:
        """Return the hash so far."""
        return self._hash.digest()
