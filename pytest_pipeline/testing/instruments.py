"""What a fake machine measures with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from pytest_pipeline.clock import FakeClock
from pytest_pipeline.measure.system.heartbeat import Gap


class Controlled(Protocol):
    """The part of a fake machine that its instruments ask."""

    is_loaded: bool

    def control_s(self, width: int, *, parallel: bool) -> float:
        """Return the pretended control time now, and let it pass."""
        ...


@dataclass(frozen=True, slots=True)
class FakeControl:
    """The control kernel: asks the machine how long it took."""

    machine: Controlled
    width: int

    def parallel_s(self) -> float:
        """Return the parallel control time, seconds."""
        return self.machine.control_s(self.width, parallel=True)

    def serial_s(self) -> float:
        """Return the serial control time, seconds."""
        return self.machine.control_s(self.width, parallel=False)

    def close(self) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class FakeLoad:
    """Spinners that always work."""

    machine: Controlled

    def start(self, spinners: int) -> str:  # noqa: ARG002 - the contract asks for it
        """Return why no spinner can be started: never."""
        return ""

    def spin(self) -> None:
        """Load the other cores."""
        self.machine.is_loaded = True

    def rest(self) -> None:
        """Leave them alone."""
        self.machine.is_loaded = False

    def stop(self, core_seconds: float) -> str:  # noqa: ARG002 - the contract asks for it
        """Return why the loaded runs prove nothing: never."""
        return ""


@dataclass(slots=True)
class FakeHeartbeat:
    """A heartbeat whose gaps are scripted."""

    clock: FakeClock
    script: Callable[[float, float], Sequence[tuple[float, float]]]
    threshold_s: float
    asked_ns: int

    def gaps(self) -> list[Gap]:
        """Return the scripted gaps since the last call."""
        since_ns, self.asked_ns = self.asked_ns, self.clock.now_ns()
        found = self.script(since_ns / 1e9, self.asked_ns / 1e9)
        return [
            (round(began * 1e9), round(ended * 1e9))
            for began, ended in found
            if ended - began > self.threshold_s
        ]

    def close(self) -> None:
        """Do nothing."""
