"""What one device holds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DeviceMemory:
    """Memory of one device as the backend's allocator sees it, since the last reset of the peaks."""

    allocated_bytes: int
    """In use by tensors now."""
    reserved_bytes: int
    """Held by the allocator now, in use or cached."""
    peak_allocated_bytes: int
    """Most that tensors used at once."""
    peak_reserved_bytes: int
    """Most that the allocator held at once."""
