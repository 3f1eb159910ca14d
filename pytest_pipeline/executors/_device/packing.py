"""Several tensors in one buffer, so that one copy moves them all; views are made once per shape."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_pipeline.executors._device.backend import Backend

_ALIGNMENT = 256
"""Bytes: what CUDA's own allocator aligns to, and every dtype needs less."""


class Packing:
    """A buffer that grows to the largest item it has met, and the views of the last shapes in it.

    In the steady state, when shapes repeat, nothing is allocated and no view is made.
    """

    def __init__(self, backend: Backend, allocate: Callable[[int], Any]) -> None:
        self._backend = backend
        self._allocate = allocate
        self._buffer: Any = None
        self._capacity = 0
        self._specs: tuple[Hashable, ...] | None = None
        self._views: list[Any] = []
        self._span: Any = None
        self.nbytes = 0
        """Bytes of the last layout, gaps included."""

    @property
    def capacity(self) -> int:
        """Bytes allocated."""
        return self._capacity

    @property
    def span(self) -> Any:
        """The bytes of the last layout as one tensor."""
        if self._span is None:
            self._span = self._backend.span(self._buffer, self.nbytes)
        return self._span

    def views(self, tensors: Sequence[Any]) -> list[Any]:
        """Return a view for each tensor; the buffer must not be in use when shapes change."""
        specs = [self._backend.spec(tensor) for tensor in tensors]
        kinds = tuple(kind for kind, _ in specs)
        if kinds == self._specs:
            return self._views
        offsets, total = [], 0
        for _, nbytes in specs:
            offsets.append(-(-total // _ALIGNMENT) * _ALIGNMENT)
            total = offsets[-1] + nbytes
        if self._buffer is None or total > self._capacity:
            # Before the new one is there: the peak is one buffer, not two. Its views hold it too, and where the new
            # one cannot be had, nothing is left of the old shapes.
            self._buffer = self._span = self._specs = None
            self._views = []
            self._buffer, self._capacity = self._allocate(total), total
        self._views = [
            self._backend.view(self._buffer, offset, like)
            for offset, like in zip(offsets, tensors, strict=True)
        ]
        self._specs, self.nbytes, self._span = kinds, total, None
        return self._views
