"""What one replica holds: streams per device, a ring of slots with their buffers and events, and the uses of a slot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_pipeline.executors._device.packing import Packing

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from pytest_pipeline.executors._device.backend import Backend, Event
    from pytest_pipeline.executors._device.graphs import Recorded
    from pytest_pipeline.executors._device.steps import Step
    from pytest_pipeline.executors._hops import Message


class Rails:
    """The streams of one device."""

    def __init__(self, backend: Backend, device: str) -> None:
        self.h2d = backend.stream(device)
        self.compute = backend.stream(device)
        self.d2h = backend.stream(device)
        self.peer = backend.stream(device)
        """Copies from this device to others."""


class Slot:
    """Buffers and events that one item at a time uses; made once, grown when a larger item comes."""

    def __init__(self, backend: Backend, number: int, rails: dict[str, Rails], last: str) -> None:
        self.number = number
        first = next(iter(rails))
        self._backend = backend
        self._rails = rails
        self.host_in = Packing(backend, backend.host_buffer)
        self.device_in = Packing(
            backend, lambda size: backend.device_buffer(first, size, rails[first].h2d)
        )
        self.host_out = Packing(backend, backend.host_buffer)
        self.in_ready = backend.event(first)
        self.computed = backend.event(last)
        self.out_ready = backend.event(last)
        self._crossings: dict[str, tuple[Packing, Event, Event]] = {}
        self._marks: dict[int, tuple[Event, Event]] = {}
        self.graphs: dict[int, Recorded] = {}
        """By stage; their inputs lie in this slot's buffers."""

    def crossing(self, key: str, source: str, target: str) -> tuple[Packing, Event, Event]:
        """Return the buffer on `target` and the events `left` and `arrived` of one copy between devices."""
        if key not in self._crossings:
            # Not through `self`: a buffer that knows its slot lives until the garbage collector comes.
            backend, stream = self._backend, self._rails[source].peer
            buffer = Packing(backend, lambda size: backend.device_buffer(target, size, stream))
            left, arrived = backend.event(source), backend.event(source)
            self._crossings[key] = buffer, left, arrived
        return self._crossings[key]

    def marks(self, step: Step) -> tuple[Event, Event]:
        """Return the timed events around one step."""
        if step.stage not in self._marks:
            begin, end = (self._backend.event(step.device, is_timed=True) for _ in range(2))
            self._marks[step.stage] = begin, end
        return self._marks[step.stage]

    @property
    def nbytes(self) -> int:
        """Bytes of device memory that the slot holds itself."""
        return self.device_in.capacity + sum(
            each.capacity for each, _, _ in self._crossings.values()
        )


class Use:
    """The passage of a group of items through a slot; a group of one, unless small items are packed."""

    __slots__ = (
        "addresses",
        "enqueued",
        "entered",
        "error",
        "failed",
        "failed_at",
        "granted",
        "is_drained",
        "is_lost",
        "is_numpy",
        "items",
        "kept",
        "slot",
        "values",
        "views",
    )

    def __init__(self, slot: Slot, group: Sequence[Message]) -> None:
        self.slot = slot
        self.items = [item for item, _, _ in group]
        self.enqueued = [stamp for _, _, stamp in group]
        self.granted = 0
        self.is_numpy = False
        self.values: list[Any] = []
        self.views: list[Any] = []
        self.kept: list[Any] = []
        self.entered: list[Any] = []
        """Tensors of the items that were on the device already."""
        self.addresses: set[Hashable] = set()
        """Where its results lie on the device."""
        self.is_drained = False
        """True once these may be overwritten."""
        self.failed: dict[int, tuple[BaseException, int]] = {}
        """(error, stage) of the items that ended alone, by place in the group."""
        self.error: BaseException | None = None
        """Ended all of them."""
        self.failed_at = 0
        """In which stage."""
        self.is_lost = False
        """True when the device did not become idle after the error: no later item can pass."""

    def fail(self, error: BaseException, stage: int) -> None:
        """End the whole group; what failed first in it is the cause."""
        self.error, self.failed_at = next(iter(self.failed.values()), (error, stage))

    def lose(self, error: Exception) -> None:
        """Say that the device was lost with the group; what failed in it becomes the cause of `error`."""
        if self.error is None:
            self.error, self.failed_at = next(iter(self.failed.values()))
        if error is not self.error:
            error.__cause__ = self.error
        self.error, self.is_lost = error, True

    def ended_at(self, place: int) -> int | None:
        """Return the stage in which an item failed, or None."""
        if self.error is not None:
            return self.failed_at
        return self.failed[place][1] if place in self.failed else None
