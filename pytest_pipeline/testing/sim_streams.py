"""Streams, events and graphs of a simulated device, and the stages that run on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_pipeline.testing.sim_memory import Memory, Moment, SimTensor

if TYPE_CHECKING:
    from pytest_pipeline.testing.device import SimulatedDevices


@dataclass(frozen=True, slots=True)
class Kernel:
    """A stage for a simulated device: takes and returns values."""

    fn: Callable[..., Any]
    """Maps the values of its tensors."""
    ns: int = 0
    """Nanoseconds on the compute engine."""
    is_in_place: bool = False
    """Writes its result over its first input."""
    is_tensor: bool = True
    """Makes a tensor; False = a plain value, as a stage does that counts or labels."""

    def __call__(self, *values: Any) -> Any:
        """Run on values."""
        return self.fn(*values)


class SimStream:
    """A stream: work in the order of issue."""

    def __init__(self, sim: SimulatedDevices, device: str) -> None:
        self.device = device
        self.moment = Moment()
        self._sim = sim

    def wait_event(self, event: SimEvent) -> None:
        """Come after the event."""
        with self._sim.lock:
            if event.moment is not None and not self._sim.drops("wait_event"):
                self.moment.join(event.moment)


class SimEvent:
    """A point of a stream."""

    def __init__(self, sim: SimulatedDevices, *, is_timed: bool = False) -> None:
        self.moment: Moment | None = None
        self._sim = sim
        self._time = SimTensor(Memory("time of an event"), 0, 0) if is_timed else None
        """Written on the device, read by the host: as open to races as any memory."""

    def record(self, stream: SimStream) -> None:
        """Stand for what the stream holds."""
        with self._sim.lock:
            if self._time is not None:
                self._sim.stamp(stream, self._time)
            self.moment = stream.moment.copy()

    def synchronize(self) -> None:
        """Let the calling thread come after it."""
        with self._sim.lock:
            self._sim.step("synchronize")
            if self.moment is not None and not self._sim.drops("synchronize"):
                self._sim.host.join(self.moment)

    def elapsed_ns(self, earlier: SimEvent) -> int:
        """Return virtual nanoseconds; a race unless both are known to be done, and stay as they are."""
        assert self.moment is not None
        assert earlier.moment is not None
        assert self._time is not None
        assert earlier._time is not None
        with self._sim.lock:
            self._sim.read([self._time, earlier._time])
            return self.moment.at_ns - earlier.moment.at_ns


class SimGraph:
    """A kernel on fixed memory; each replay reads and writes the same."""

    def __init__(self, sim: SimulatedDevices, stream: SimStream, fn: Any, value: SimTensor) -> None:
        self._sim = sim
        self._fn = fn
        self._value = value
        made = Memory(f"result of a graph on {stream.device}")
        is_in_place = getattr(fn, "is_in_place", False)
        self.output = value if is_in_place else SimTensor(made, 0, value.nbytes)

    def replay(self, stream: SimStream) -> None:
        """Run it."""
        self._sim.replay(stream, self._fn, self._value, self.output)
