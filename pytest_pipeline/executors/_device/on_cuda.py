"""Torch on CUDA."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pytest_pipeline.errors import UsageError
from pytest_pipeline.executors._device.on_torch import TorchTensors
from pytest_pipeline.model.device_memory import DeviceMemory

_WARM_UPS = 3
"""Calls on a side stream before a capture, as torch's own notes on CUDA graphs ask for."""


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
    """A graph of torch."""

    def __init__(self, torch: Any, graph: Any, output: Any) -> None:
        self._torch = torch
        self._graph = graph
        self.output = output

    def replay(self, stream: CudaStream) -> None:
        """Issue the recorded launches."""
        with self._torch.cuda.stream(stream.stream):
            self._graph.replay()


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
        """Tell whether torch knows it as page-locked, and it is contiguous."""
        return bool(leaf.is_contiguous() and leaf.is_pinned())

    def host_buffer(self, nbytes: int) -> Any:
        """Allocate page-locked memory."""
        return self.torch.empty(nbytes, dtype=self.torch.uint8, pin_memory=True)

    def device_buffer(self, device: str, nbytes: int, stream: CudaStream) -> Any:
        """Allocate for the stream, so that what is freed is used again in its order."""
        with self.torch.cuda.stream(stream.stream):
            return self.torch.empty(nbytes, dtype=self.torch.uint8, device=device)

    def copy(self, stream: CudaStream, target: Any, source: Any) -> None:
        """Copy without waiting."""
        with self.torch.cuda.stream(stream.stream), self.torch.no_grad():
            target.copy_(source, non_blocking=True)

    def launch(self, stream: CudaStream, fn: Callable[..., Any], *values: Any) -> Any:
        """Call with the stream and its device current."""
        with self.torch.cuda.stream(stream.stream):
            return fn(*values)

    def packed(self, stream: CudaStream, leaf: Any) -> Any:
        """Return it contiguous on the stream's device; one that a stage left elsewhere is copied over."""
        with self.torch.cuda.stream(stream.stream):
            return leaf.detach().to(stream.device).resolve_conj().resolve_neg().contiguous()

    def enters_behind(self, stream: CudaStream, leaf: Any) -> None:
        """Order the stream behind what the feeder's thread sees as the current stream of the leaf's device."""
        stream.stream.wait_stream(self.torch.cuda.current_stream(leaf.device))

    def capture(self, stream: CudaStream, fn: Callable[[Any], Any], value: Any) -> CudaGraph:
        """Warm up on the stream, then record into a graph of its own memory pool."""
        torch = self.torch
        with torch.cuda.stream(stream.stream):
            for _ in range(_WARM_UPS):
                fn(value)
        stream.stream.synchronize()
        graph = torch.cuda.CUDAGraph()
        # Thread-local: the drainer waits for events meanwhile, which a global capture forbids.
        with torch.cuda.graph(graph, stream=stream.stream, capture_error_mode="thread_local"):
            output = fn(value)
        return CudaGraph(torch, graph, output)

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

    def empty_cache(self) -> None:
        """Give cached memory back."""
        self.torch.cuda.empty_cache()
