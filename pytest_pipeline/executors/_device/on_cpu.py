"""Torch on the CPU in place of a device: the same scheduler, the same results, nothing at the same time.

Functional only: every copy and launch is done when its call returns, so that times mean nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter_ns
from typing import Any

from pytest_pipeline.errors import UsageError
from pytest_pipeline.executors._device.on_torch import TorchTensors
from pytest_pipeline.executors._device.tree import leaves, mapped
from pytest_pipeline.executors._strides import is_dense

PREFIX = "cpu:"
"""Devices of this backend are `cpu:0`, `cpu:1`, ...; plain `cpu` is the host."""


class CpuStream:
    """Runs everything at once."""

    def __init__(self, device: str) -> None:
        self.device = device

    def wait_event(self, event: Any) -> None:
        """Do nothing: what was recorded is done."""


class CpuEvent:
    """A reading of the host's clock."""

    def __init__(self) -> None:
        self._at_ns = 0

    def record(self, stream: Any) -> None:  # noqa: ARG002 - as every event
        """Take the time."""
        self._at_ns = perf_counter_ns()

    def synchronize(self) -> None:
        """Do nothing: what was recorded is done."""

    def elapsed_ns(self, earlier: CpuEvent) -> int:
        """Return the nanoseconds between two readings."""
        return self._at_ns - earlier._at_ns


class CpuGraph:
    """Calls the function at every replay, on the tensors and into the output of the first call."""

    def __init__(self, backend: TorchTensors, fn: Callable[[Any], Any], value: Any) -> None:
        self._backend = backend
        self._fn = fn
        self._value = value
        self.output = mapped(fn(mapped(value, self._copied)), self._copied)

    def replay(self, stream: Any) -> None:  # noqa: ARG002 - as every graph
        """Call and copy."""
        made = leaves(self._fn(self._value), self._backend.is_tensor)
        kept = leaves(self.output, self._backend.is_tensor)
        for target, source in zip(kept, made, strict=True):
            self._backend.host_copy(target, source)

    def _copied(self, leaf: Any) -> Any:
        return leaf.detach().clone() if self._backend.is_tensor(leaf) else leaf


class CpuBackend(TorchTensors):
    """Device stand-ins in host memory."""

    kind = "cpu"

    def check(self, devices: tuple[str, ...]) -> None:
        """Raise `UsageError` for a name that is not `cpu:0`, `cpu:1`, ..."""
        for device in devices:
            if not (device.startswith(PREFIX) and device.removeprefix(PREFIX).isdigit()):
                raise UsageError(
                    f'device {device!r} cannot stand beside device stand-ins: expected "cpu:0", "cpu:1", ...'
                )

    def stream(self, device: str) -> CpuStream:
        """Make a stream."""
        return CpuStream(device)

    def event(self, device: str, *, is_timed: bool = False) -> CpuEvent:  # noqa: ARG002 - as every backend
        """Make an event."""
        return CpuEvent()

    def is_on_device(self, leaf: Any) -> bool:  # noqa: ARG002 - as every backend
        """Return False: items come from the host."""
        return False

    def needs_copy_out(self, leaf: Any) -> bool:
        """Return True for a tensor: it may be a view of a slot."""
        return not hasattr(leaf, "__array_interface__")

    def is_pinned(self, leaf: Any) -> bool:  # noqa: ARG002 - as every backend
        """Return False."""
        return False

    def host_buffer(self, nbytes: int) -> Any:
        """Allocate memory."""
        return self.empty(nbytes, device="cpu")

    def device_buffer(self, device: str, nbytes: int, stream: Any) -> Any:  # noqa: ARG002 - as every backend
        """Allocate memory."""
        return self.host_buffer(nbytes)

    def copy(self, stream: Any, target: Any, source: Any) -> None:  # noqa: ARG002 - as every backend
        """Copy now."""
        self.host_copy(target, source)

    def launch(self, stream: Any, fn: Callable[..., Any], *values: Any) -> Any:  # noqa: ARG002 - as every backend
        """Call the function."""
        return fn(*values)

    def capture(self, stream: Any, fn: Callable[[Any], Any], value: Any) -> CpuGraph:  # noqa: ARG002 - as every backend
        """Return a stand-in."""
        return CpuGraph(self, fn, value)

    def has_peer_access(self, source: str, target: str) -> None:  # noqa: ARG002 - as every backend
        """Return None: there is no way between stand-ins."""
        return

    def address(self, leaf: Any) -> int | None:  # noqa: ARG002 - as every backend
        """Return None: a result is copied out before the next stage can touch its memory."""
        return None

    def packed(self, stream: Any, leaf: Any) -> Any:  # noqa: ARG002 - as every backend
        """Return the tensor, without gaps and without a graph behind it."""
        whole = leaf.detach()
        return whole if is_dense(whole) else whole.contiguous()

    def enters_behind(self, stream: Any, leaf: Any) -> None:
        """Do nothing."""

    def synchronize(self, device: str) -> None:
        """Do nothing: everything is done."""

    def memory(self, device: str) -> None:  # noqa: ARG002 - as every backend
        """Return None: nobody counts."""
        return

    def reset_peaks(self, device: str) -> None:
        """Do nothing."""

    def empty_cache(self) -> None:
        """Do nothing."""
