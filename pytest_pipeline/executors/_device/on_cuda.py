"""Torch on CUDA."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from pytest_pipeline.errors import UsageError
from pytest_pipeline.executors._device.on_torch import TorchTensors
from pytest_pipeline.executors._strides import is_dense
from pytest_pipeline.model.device_memory import DeviceMemory


class CudaStream:
    """A stream of torch, which is ordered with no default stream."""

    def __init__(self, torch: Any, device: str) -> None:
        self.device = device
        self.stream = torch.cuda.Stream(device=device)

    def wait_event(self, event: Any) -> None:
        """Wait on the device."""
        self.stream.wait_event(event.event)


class CudaEvent:
    """An event of torch. Blocking: a host thread that waits for it sleeps instead of spinning."""

    def __init__(self, torch: Any, *, is_timed: bool) -> None:
        self.event = torch.cuda.Event(enable_timing=is_timed, blocking=True)

    def record(self, stream: CudaStream) -> None:
        """Record on the stream."""
        self.event.record(stream.stream)

    def synchronize(self) -> None:
        """Block until it is reached."""
        self.event.synchronize()

    def elapsed_ns(self, earlier: CudaEvent) -> int:
        """Return nanoseconds; the resolution is about 500."""
        return int(earlier.event.elapsed_time(self.event) * 1e6)


class CudaGraph:
    """A CUDA graph with memory of its own for what the stage makes."""

    _one_at_a_time = threading.Lock()
    """Replicas record in threads of their own; torch begins one recording at a time."""
    _never_ended: ClassVar[list[Any]] = []
    """Graphs that torch's allocator of page-locked memory goes on asking which streams they record, alive or not."""

    def __init__(
        self, torch: Any, stream: CudaStream, fn: Callable[[Any], Any], value: Any
    ) -> None:
        self._torch = torch
        self._graph = torch.cuda.CUDAGraph()
        with self._one_at_a_time, torch.cuda.device(stream.device), _apart(torch, stream):
            # Named, so that a recording that cannot be ended can be found in the allocator.
            pool = torch.cuda.graph_pool_handle()
            try:
                # Of this thread only: the drainer waits for events meanwhile.
                with torch.cuda.graph(
                    self._graph, pool=pool, stream=stream.stream, capture_error_mode="thread_local"
                ):
                    self.output = fn(value)
            except BaseException:
                self._give_up(stream.device, pool)
                raise

    def replay(self, stream: CudaStream) -> None:
        """Issue everything at once."""
        with self._torch.cuda.stream(stream.stream):
            self._graph.replay()

    def _give_up(self, device: str, pool: Any) -> None:
        """Leave no trace of a recording that failed: the stage is launched plainly, and others are recorded."""
        if _strike_off(self._torch, device, pool):
            self._never_ended.append(self._graph)
            with contextlib.suppress(Exception):
                self._graph.reset()  # from torch's lists of graphs and generators


def _strike_off(torch: Any, device: str, pool: Any) -> bool:
    """End what the allocator still takes for a recording; return whether there was one, or nobody can tell.

    `CUDAGraph::capture_end` (torch 2.13) raises before it does so where the recording is invalid: a stage that waits
    for the device is enough. From then on `empty_cache` would fail in this process, and with it any later recording.
    """
    # The second name is that of torch before 2.8.
    names = ("_cuda_endAllocateToPool", "_cuda_endAllocateCurrentStreamToPool")
    core = getattr(torch, "_C", None)
    end = next((each for name in names if (each := getattr(core, name, None))), None)
    release = getattr(core, "_cuda_releasePool", None)
    if end is None or release is None:
        return True
    index = int(device.partition(":")[2])
    try:
        end(index, pool)
    except Exception:
        return False  # it has been ended; the graph itself lets go of the pool
    with contextlib.suppress(Exception):  # the error of the recording counts
        release(index, pool)
    return True


@contextlib.contextmanager
def _apart(torch: Any, stream: CudaStream) -> Iterator[None]:
    """Record without weights that autocast has cast earlier, and leave the thread's stream as it was.

    Autocast frees its casts when its block ends, while a graph would read them for ever; and torch
    (`torch.cuda.graph.__exit__`, 2.13) stays on the recording's stream when it cannot end one.
    """
    is_caching = torch.is_autocast_cache_enabled()
    before = torch.cuda.current_stream(stream.device)
    torch.set_autocast_cache_enabled(False)
    try:
        yield
    finally:
        torch.set_autocast_cache_enabled(is_caching)
        torch.cuda.set_stream(before)


class CudaBackend(TorchTensors):
    """CUDA devices through `torch.cuda`."""

    kind = "cuda"

    def check(self, devices: tuple[str, ...]) -> None:
        """Raise `UsageError` for a device that is not there."""
        there = self.torch.cuda.device_count()
        for device in devices:
            kind, _, index = device.partition(":")
            if kind != "cuda" or not index.isdigit() or int(index) >= there:
                raise UsageError(
                    f"device {device!r} is not here: expected "
                    + ", ".join(f'"cuda:{k}"' for k in range(there))
                )

    def stream(self, device: str) -> CudaStream:
        """Make a stream."""
        return CudaStream(self.torch, device)

    def event(self, device: str, *, is_timed: bool = False) -> CudaEvent:
        """Make an event; torch creates it on the device of the stream that it is first recorded on."""
        del device
        return CudaEvent(self.torch, is_timed=is_timed)

    def is_on_device(self, leaf: Any) -> bool:
        """Tell whether it is a CUDA tensor."""
        return bool(getattr(leaf, "is_cuda", False))

    def needs_copy_out(self, leaf: Any) -> bool:
        """Tell whether it is a CUDA tensor."""
        return self.is_on_device(leaf)

    def is_pinned(self, leaf: Any) -> bool:
        """Tell whether torch knows it as page-locked, and its elements lie side by side."""
        return bool(leaf.is_pinned() and is_dense(leaf))

    def host_buffer(self, nbytes: int) -> Any:
        """Allocate page-locked memory."""
        return self.empty(nbytes, device="cpu", pin_memory=True)

    def device_buffer(self, device: str, nbytes: int, stream: CudaStream) -> Any:
        """Allocate for the stream, so that what is freed is used again in its order."""
        with self.torch.cuda.stream(stream.stream):
            return self.empty(nbytes, device=device)

    def copy(self, stream: CudaStream, target: Any, source: Any) -> None:
        """Copy without waiting."""
        with self.torch.cuda.stream(stream.stream), self.torch.no_grad():
            target.copy_(source, non_blocking=True)

    def launch(self, stream: CudaStream, fn: Callable[..., Any], *values: Any) -> Any:
        """Call with the stream and its device current."""
        with self.torch.cuda.stream(stream.stream):
            return fn(*values)

    def capture(self, stream: CudaStream, fn: Callable[[Any], Any], value: Any) -> CudaGraph:
        """Record; torch waits for the device and empties its cache for that."""
        return CudaGraph(self.torch, stream, fn, value)

    def has_peer_access(self, source: str, target: str) -> bool:
        """Ask the driver; torch then opens the direct way at the first copy."""
        return bool(self.torch.cuda.can_device_access_peer(source, target))

    def packed(self, stream: CudaStream, leaf: Any) -> Any:
        """Return it without gaps on the stream's device; one that a stage left elsewhere is copied over."""
        with self.torch.cuda.stream(stream.stream):
            whole = leaf.detach().to(stream.device).resolve_conj().resolve_neg()
            return whole if is_dense(whole) else whole.contiguous()

    def enters_behind(self, stream: CudaStream, leaf: Any) -> None:
        """Order the stream behind what the feeder's thread sees as the current stream of the leaf's device."""
        stream.stream.wait_stream(self.torch.cuda.current_stream(leaf.device))

    def synchronize(self, device: str) -> None:
        """Block until the device is idle."""
        self.torch.cuda.synchronize(device)

    def memory(self, device: str) -> DeviceMemory:
        """Return what torch's allocator counts."""
        cuda = self.torch.cuda
        return DeviceMemory(
            cuda.memory_allocated(device),
            cuda.memory_reserved(device),
            cuda.max_memory_allocated(device),
            cuda.max_memory_reserved(device),
        )

    def reset_peaks(self, device: str) -> None:
        """Let torch's peaks begin anew."""
        self.torch.cuda.reset_peak_memory_stats(device)

    def empty_cache(self) -> None:
        """Give cached memory back."""
        self.torch.cuda.empty_cache()
