"""What the scheduler asks of a device: streams, events, buffers, copies, launches.

Implemented for torch on CUDA (`_device/on_cuda.py`), for torch on the CPU (`_device/on_cpu.py`, a
functional stand-in and never a measurement) and by a simulated device on a virtual clock
(`pytest_pipeline.testing.device`), on which the scheduler's order is proven.

Terms are CUDA's: work on one stream runs in the order in which it was issued; work on two streams
is ordered only by an event that is recorded on the one and waited for on the other. A *tensor* is
whatever `is_tensor` says yes to; everything else passes through a device stage as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Protocol

from pytest_pipeline.model.device_memory import DeviceMemory


class Event(Protocol):
    """A point in the order of a stream. Recorded again, it stands for the new point."""

    def record(self, stream: Any) -> None:
        """Stand for everything issued on `stream` so far."""
        ...

    def synchronize(self) -> None:
        """Block the calling host thread, without spinning, until that is done.

        Returns at once when the event was never recorded. Raises what the device reports, which may
        be the fault of any earlier work.
        """
        ...

    def elapsed_ns(self, earlier: Any) -> int:
        """Return nanoseconds of the device's clock from `earlier` to this; both timed and done, on one device."""
        ...


class Stream(Protocol):
    """Work that a device does in the order of issue."""

    @property
    def device(self) -> str:
        """Name of its device."""
        ...

    def wait_event(self, event: Any) -> None:
        """Let later work of this stream wait for `event` as recorded now; the host does not wait."""
        ...


class Graph(Protocol):
    """The launches of one call of a stage, recorded on the addresses of its input."""

    @property
    def output(self) -> Any:
        """What the recorded call returned; every replay writes its tensors anew."""
        ...

    def replay(self, stream: Any) -> None:
        """Issue the launches on `stream`, the one that they were recorded on."""
        ...


class Backend(Protocol):
    """One kind of device. `stream`, `event`, `buffer` and `view` objects come from it and go back to it only."""

    @property
    def kind(self) -> str:
        """`"cuda"`, `"cpu"` or `"simulated"`: told wherever a result is shown."""
        ...

    def check(self, devices: tuple[str, ...]) -> None:
        """Raise `UsageError` for a device that this machine does not have."""
        ...

    def stream(self, device: str) -> Stream:
        """Make a stream that is ordered with no other."""
        ...

    def event(self, device: str, *, is_timed: bool = False) -> Event:
        """Make an event of `device`; `elapsed_ns` needs two timed ones."""
        ...

    def is_tensor(self, leaf: Any) -> bool:
        """Tell whether `leaf` is an array that a device can hold (numpy's included)."""
        ...

    def is_on_device(self, leaf: Any) -> bool:
        """Tell whether the tensor lives on a device already, so that it enters without a copy."""
        ...

    def needs_copy_out(self, leaf: Any) -> bool:
        """Tell whether a tensor that a stage returned must be copied to the host."""
        ...

    def is_pinned(self, leaf: Any) -> bool:
        """Tell whether the device can copy from the tensor directly: page-locked and without gaps."""
        ...

    def spec(self, leaf: Any) -> tuple[Hashable, int]:
        """Return (type and shape, bytes) of a tensor; equal specs share a view."""
        ...

    def adopt(self, leaf: Any) -> Any:
        """Return a host array as this backend's tensor, converted without a copy where possible."""
        ...

    def host_buffer(self, nbytes: int) -> Any:
        """Allocate page-locked host memory."""
        ...

    def device_buffer(self, device: str, nbytes: int, stream: Any) -> Any:
        """Allocate memory of `device`, owned by `stream`."""
        ...

    def view(self, buffer: Any, offset: int, like: Any) -> Any:
        """Return the bytes from `offset` on as a tensor of the type and shape of `like`."""
        ...

    def fresh(self, view: Any) -> Any:
        """Return a view on the same memory that a stage may note gradients on; `view` itself stays clean."""
        ...

    def span(self, buffer: Any, nbytes: int) -> Any:
        """Return the first `nbytes` bytes, for one copy of everything that is packed there."""
        ...

    def host_copy(self, target: Any, source: Any) -> None:
        """Copy within host memory, now."""
        ...

    def copy(self, stream: Any, target: Any, source: Any) -> None:
        """Copy on `stream`, between host and device or two devices; returns at once."""
        ...

    def launch(self, stream: Any, fn: Callable[..., Any], *values: Any) -> Any:
        """Call `fn(*values)` with `stream` current, and return what it returns; its kernels may still run."""
        ...

    def address(self, leaf: Any) -> Hashable | None:
        """Return where the tensor's memory begins; None for one without any."""
        ...

    def place(self, leaf: Any) -> Hashable:
        """Return what a graph recorded on the tensor relies on: its address, layout and the thread's grad modes."""
        ...

    def capture(self, stream: Any, fn: Callable[[Any], Any], value: Any) -> Graph:
        """Record what `fn(value)` launches, without running it; raises what cannot be recorded.

        The value stays as it is, so that the same item can be launched plainly or replayed.
        """
        ...

    def has_peer_access(self, source: str, target: str) -> bool | None:
        """Tell whether `source` copies to `target` directly, or through host memory; None when unknown."""
        ...

    def packed(self, stream: Any, leaf: Any) -> Any:
        """Return a tensor without gaps on the stream's device that equals `leaf`, itself where it is one."""
        ...

    def enters_behind(self, stream: Any, leaf: Any) -> None:
        """Order `stream` behind whatever produced a tensor that is on a device already."""
        ...

    def taken_out(self, view: Any) -> Any:
        """Return a pageable copy of a host view, owned by the caller."""
        ...

    def as_numpy(self, leaf: Any) -> Any:
        """Return a host tensor as a numpy array that shares its memory."""
        ...

    def synchronize(self, device: str) -> None:
        """Block until `device` is idle; raises what it reports."""
        ...

    def memory(self, device: str) -> DeviceMemory | None:
        """Return what the device holds; None where nobody counts."""
        ...

    def reset_peaks(self, device: str) -> None:
        """Let the peaks of `memory` begin anew with what the device holds now."""
        ...

    def empty_cache(self) -> None:
        """Give cached memory of all the devices back."""
        ...

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Tell whether `error` says that a device's memory was used up."""
        ...

    def hand_over(self) -> Any:
        """Return a mark of what the calling host thread has done; a queue carries it to another thread.

        The queue itself orders the two threads: real devices return None.
        """
        ...

    def take_over(self, mark: Any) -> None:
        """Order the calling host thread behind the mark of another."""
        ...
