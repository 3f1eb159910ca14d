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
    written = hashed(value)
    return None if written is None else written.digest()


def hashed(value: Any, most_kept: int = 0) -> HashingFile | None:
    """Return what the pickle of `value` was written to, with the pickle itself up to so many bytes; None where there is none."""
    for pickler in (quick_pickler, full_pickler):
        file = HashingFile(most_kept)
        try:
            pickler(file).dump(value)
        except Exception:  # noqa: S112 - whatever a foreign __reduce__ raises
            continue
        return file
    return None


class HashingFile(io.RawIOBase):
    """Takes what a pickler writes and keeps its hash, and the bytes where they are few enough."""

    def __init__(self, most_kept: int) -> None:
        self._hash = hashlib.blake2b(digest_size=16)
        self._most_kept = most_kept
        self.kept: bytearray | None = bytearray()
        """What was written; None where it was more."""

    def write(self, data: Any) -> int:
        """Hash `data`."""
        view = memoryview(data).cast("B") if not isinstance(data, bytes) else data
        self._hash.update(view)
        if self.kept is not None and len(self.kept) + len(view) <= self._most_kept:
            self.kept += view
        else:
            self.kept = None
        return len(view)

    def writable(self) -> bool:
        """Say yes."""
        return True

    def digest(self) -> bytes:
        """Return the hash so far."""
        return self._hash.digest()
