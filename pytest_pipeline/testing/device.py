"""A simulated device on a virtual clock: streams, copy engines, events, and races found by vector clocks.

Times follow from `sim_order`, races from `sim_memory`: an operation starts when its stream, the
events it waits for, its engine and the host thread that issued it are all there. Each device has one
copy engine per direction, one for copies to other devices, and one for kernels.

Memory that a stage's result leaves goes to the next result on the same stream, as torch's caching
allocator does it: a reference dropped too early is a race here too.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from pytest_pipeline.testing.sim_memory import Memory, Moment, SimTensor
from pytest_pipeline.testing.sim_order import SimOrder
from pytest_pipeline.testing.sim_streams import SimEvent, SimGraph, SimStream


@dataclass(frozen=True, slots=True)
class Costs:
    """Nanoseconds per byte of each part."""

    stage_in: int = 0
    """Host copy into page-locked memory."""
    h2d: int = 0
    """Host to device."""
    d2h: int = 0
    """Device to host."""
    stage_out: int = 0
    """Host copy out of page-locked memory."""
    peer: int = 0
    """Device to device."""
    submission: int = 0
    """Nanoseconds of each copy on a stream, whatever its size."""


class SimulatedDevices(SimOrder):
    """A backend of the cuda executor: `Cuda(devices=["sim:0"], backend=SimulatedDevices())`."""

    kind = "simulated"

    def __init__(self, costs: Costs = Costs(), *, names: tuple[str, ...] = ("sim:0",)) -> None:
        super().__init__()
        self.costs = costs
        self._names = names
        self.apart: set[tuple[str, str]] = set()
        """(from, to) of devices that copy through host memory."""

    def tensor(self, value: Any, nbytes: int, *, is_pinned: bool = False) -> SimTensor:
        """Make an item in host memory."""
        memory = Memory("item", is_pinned=is_pinned)
        memory.cells[0] = value
        return SimTensor(memory, 0, nbytes)

    # --- what the scheduler asks for

    def check(self, devices: tuple[str, ...]) -> None:
        """Raise `ValueError` for an unknown device."""
        unknown = set(devices) - set(self._names)
        if unknown:
            raise ValueError(f"no such simulated device: {sorted(unknown)}")

    def stream(self, device: str) -> SimStream:
        """Make a stream."""
        self._streams.append(SimStream(self, device))
        return self._streams[-1]

    def event(self, device: str, *, is_timed: bool = False) -> SimEvent:  # noqa: ARG002 - as every backend
        """Make an event."""
        return SimEvent(self, is_timed=is_timed)

    def is_tensor(self, leaf: Any) -> bool:
        """Tell whether it is ours."""
        return isinstance(leaf, SimTensor)

    def is_on_device(self, leaf: Any) -> bool:  # noqa: ARG002 - as every backend
        """Return False: items come from the host."""
        return False

    def needs_copy_out(self, leaf: Any) -> bool:
        """Return True for what is ours."""
        return isinstance(leaf, SimTensor)

    def is_pinned(self, leaf: SimTensor) -> bool:
        """Tell whether its memory is page-locked."""
        return leaf.memory.is_pinned

    def spec(self, leaf: SimTensor) -> tuple[Hashable, int]:
        """Return (size, size)."""
        return leaf.nbytes, leaf.nbytes

    def adopt(self, leaf: Any) -> Any:
        """Return it."""
        return leaf

    def host_buffer(self, nbytes: int) -> Memory:
        """Allocate."""
        with self.lock:
            self.step("allocate")
            return Memory(f"host buffer of {nbytes}", is_pinned=True)

    def device_buffer(self, device: str, nbytes: int, stream: SimStream) -> Memory:  # noqa: ARG002 - as every backend
        """Allocate."""
        with self.lock:
            self.step("allocate")
            return Memory(f"buffer of {nbytes} on {device}")

    def view(self, buffer: Memory, offset: int, like: SimTensor) -> SimTensor:
        """Return a part of the buffer."""
        return SimTensor(buffer, offset, like.nbytes)

    def fresh(self, view: SimTensor) -> SimTensor:
        """Return it."""
        return view

    def span(self, buffer: Memory, nbytes: int) -> SimTensor:
        """Return all of it."""
        return SimTensor(buffer, -1, nbytes)

    def host_copy(self, target: SimTensor, source: SimTensor) -> None:
        """Copy in the calling thread."""
        with self.lock:
            self.step("host_copy")
            self._on_host(source, target, self.costs.stage_in)
            target.memory.cells[target.offset] = source.value

    def taken_out(self, view: SimTensor) -> SimTensor:
        """Copy out in the calling thread."""
        with self.lock:
            self.step("taken_out")
            self._on_host(view, None, self.costs.stage_out)
            return self.tensor(view.value, view.nbytes)

    def copy(self, stream: SimStream, target: SimTensor, source: SimTensor) -> None:
        """Copy on an engine, by the direction that the names of the memories tell."""
        with self.lock:
            to_device, from_device = (" on " in each.memory.name for each in (target, source))
            kind = "peer" if to_device and from_device else "h2d" if to_device else "d2h"
            self.step(kind)
            self._run(
                stream, kind, self.costs.submission + source.nbytes * getattr(self.costs, kind)
            )
            self._uses.touch(stream, stream.moment, reads=[source], writes=[target])
            if target.offset < 0:
                target.memory.cells.update(source.memory.cells)
            else:
                target.memory.cells[target.offset] = source.value

    def launch(self, stream: SimStream, fn: Callable[..., Any], *values: Any) -> Any:
        """Run a `Kernel` on values; its result lies in memory of the stream's pool."""
        with self.lock:
            self.step("launch")
            self._run(stream, "compute", getattr(fn, "ns", 0))
            tensors = [each for each in values if isinstance(each, SimTensor)]
            made = fn(*(each.value if isinstance(each, SimTensor) else each for each in values))
            if not tensors:
                return made
            first = tensors[0]
            if not getattr(fn, "is_tensor", True):
                self._uses.touch(stream, stream.moment, reads=tensors, writes=[])
                return made
            if getattr(fn, "is_in_place", False):
                target = first
            else:
                memory = self._uses.pooled(id(stream), f"result on {stream.device}")
                target = SimTensor(memory, 0, first.nbytes)
                weakref.finalize(target, self._free, id(stream), memory)
            self._uses.touch(stream, stream.moment, reads=tensors, writes=[target])
            target.memory.cells[target.offset] = made
            return target

    def address(self, leaf: SimTensor) -> Hashable:
        """Return memory and offset."""
        return id(leaf.memory), leaf.offset

    def place(self, leaf: SimTensor) -> Hashable:
        """Return memory, offset and size."""
        return id(leaf.memory), leaf.offset, leaf.nbytes

    def capture(self, stream: SimStream, fn: Any, value: SimTensor) -> SimGraph:
        """Record a `Kernel`."""
        with self.lock:
            self.step("capture")
            return SimGraph(self, stream, fn, value)

    def replay(self, stream: SimStream, fn: Any, value: SimTensor, output: SimTensor) -> None:
        """Run a recorded `Kernel` into the memory of its graph."""
        with self.lock:
            self.step("replay")
            self._run(stream, "compute", getattr(fn, "ns", 0))
            self._uses.touch(stream, stream.moment, reads=[value], writes=[output])
            output.memory.cells[output.offset] = fn(value.value)

    def has_peer_access(self, source: str, target: str) -> bool:
        """Tell whether the script joins them."""
        return (source, target) not in self.apart

    def packed(self, stream: SimStream, leaf: Any) -> Any:  # noqa: ARG002 - as every backend
        """Return it."""
        return leaf

    def enters_behind(self, stream: Any, leaf: Any) -> None:
        """Do nothing: no item begins on a device."""

    def as_numpy(self, leaf: Any) -> Any:
        """Return it."""
        return leaf

    def synchronize(self, device: str) -> None:
        """Let the calling thread come after all that the device was given."""
        with self.lock:
            for stream in self._streams:
                if stream.device == device:
                    self.host.join(stream.moment)

    def memory(self, device: str) -> None:  # noqa: ARG002 - as every backend
        """Return None: nobody counts."""
        return

    def reset_peaks(self, device: str) -> None:
        """Do nothing."""

    def empty_cache(self) -> None:
        """Count the call."""
        self.counts["empty_cache"] += 1

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Tell whether it is a `MemoryError`."""
        return isinstance(error, MemoryError)

    def hand_over(self) -> Moment:
        """Return what the calling thread has seen."""
        with self.lock:
            return self.host.copy()

    def take_over(self, mark: Moment | None) -> None:
        """Let the calling thread come after the mark."""
        with self.lock:
            if mark is not None and not self.drops("take_over"):
                self.host.join(mark)
