"""What one execution on a device was made of: the parts measured alone, the bound, and the device's own readings."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class HostMemory(StrEnum):
    """The kind of host memory that copies to the device start from."""

    PINNED = "pinned"
    """Page-locked: copied by the device itself while the host goes on."""
    PAGEABLE = "pageable"
    """Ordinary: copied through the driver's own buffers, at a fraction of the bandwidth."""


@dataclass(frozen=True, slots=True)
class DevicePart:
    """One part of an item's way through a device, measured alone: nothing else ran beside it."""

    name: str
    """`stage-in`, `H2D`, `kernels`, `D2H` or `stage-out`."""
    total_s: float
    """Sum over the items of the execution, seconds."""
    median_s: float
    """Median per item, seconds."""
    first_s: float
    """Of the first item, seconds."""
    last_s: float
    """Of the last item, seconds."""
    bytes: int = 0
    """Bytes that it moved, over all items; 0 for the kernels."""

    @property
    def bytes_per_s(self) -> float | None:
        """Bandwidth, bytes per second; None where nothing was moved or no time was measured."""
        return self.bytes / self.total_s if self.bytes and self.total_s > 0 else None


@dataclass(frozen=True, slots=True)
class Clocks:
    """Clock rates of a device at one moment."""

    sm_hz: float
    """Of the multiprocessors, hertz."""
    memory_hz: float
    """Of the memory, hertz."""


SLOWDOWNS = frozenset(
    {
        "hardware slowdown",
        "hardware thermal slowdown",
        "software thermal slowdown",
        "hardware power brake",
    }
)
"""Heat, and a power supply that calls for less: what a device gives then says nothing about the code."""


@dataclass(frozen=True, slots=True)
class DeviceReadings:
    """What the driver's management library tells about a device; fields it would not tell are None."""

    driver: str | None = None
    """Version of the driver."""
    clocks_before: Clocks | None = None
    """Before the execution."""
    clocks_after: Clocks | None = None
    """Right after it."""
    throttle_reasons: tuple[str, ...] | None = None
    """Why the clocks were held down right after the execution, in words; empty when they were not."""
    utilization: float | None = None
    """Share of the last sampling period in which a kernel ran, 0-1."""
    memory_utilization: float | None = None
    """Share of the last sampling period in which the device's memory was read or written, 0-1."""
    temperature_c: float | None = None
    """Right after the execution, degrees Celsius."""
    missing: tuple[str, ...] = ()
    """Why readings are missing, one sentence each."""

    @property
    def slowdowns(self) -> tuple[str, ...]:
        """Return those of `throttle_reasons` that take from a device what it gives otherwise: no power cap, which any load may meet."""
        return tuple(each for each in self.throttle_reasons or () if each in SLOWDOWNS)


@dataclass(frozen=True, slots=True)
class SyncCall:
    """A call in a user's stage that makes the host wait for the device."""

    stage: str
    """Name of the stage."""
    location: str
    """`file:line` of the call."""
    code: str
    """The source line, stripped; empty when it cannot be read."""
    count: int
    """How often it was seen in the diagnosis round."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """Copies from one device to another."""

    source: str
    """Device that the bytes came from, as torch names it."""
    target: str
    """Device that they went to."""
    bytes: int
    """Over all items."""
    is_peer_access: bool | None
    """True when the devices copy directly, False through host memory; None when unknown."""


@dataclass(frozen=True, slots=True)
class DeviceDiagnosis:
    """What an untimed execution with one item at a time found out about one device."""

    device: str
    """As torch names it: `cuda:0`."""
    num_items: int
    """Items that it ran; the first ones of the source."""
    parts: tuple[DevicePart, ...] = ()
    """In the order of an item's way, sums over these items; empty when they could not be told apart."""
    both_ways_s: float | None = None
    """All H2D and D2H copies of these items at the same time, seconds."""
    sync_calls: tuple[SyncCall, ...] | None = None
    """Calls in stages that wait for the device, most frequent first; None where the debug mode could not be had."""
    notes: tuple[str, ...] = ()
    """What kept it from finding more."""


@dataclass(frozen=True, slots=True)
class DeviceRun:
    """One execution on one device."""

    device: str
    """As torch names it: `cuda:0`."""
    name: str
    """The product's name."""
    source: HostMemory
    """Host memory that the copies started from."""
    slots: int
    """Slots of the ring: items on the device at once."""
    num_items: int
    """Items that went through this device."""
    makespan_s: float
    """Of the whole execution, host clock around a synchronise, seconds."""
    parts: tuple[DevicePart, ...]
    """In the order of an item's way; empty when they were not measured alone."""
    bound_s: float | None
    """Shortest makespan that these parts allow, seconds (`stats.stations`); None without parts."""
    both_ways_s: float | None = None
    """All H2D and D2H copies at the same time, seconds: above the longer of both where they share a limit."""
    peak_allocated_bytes: int | None = None
    """Largest memory in tensors during the execution, bytes; None when unknown."""
    peak_reserved_bytes: int | None = None
    """Largest memory that the allocator held, bytes; None when unknown."""
    readings: DeviceReadings = DeviceReadings()
    """From the driver's management library."""
    transfers: tuple[Transfer, ...] = ()
    """Copies to other devices."""
    sync_calls: tuple[SyncCall, ...] | None = None
    """Found in the diagnosis round, most frequent first; None when there was no such round."""
    notes: tuple[str, ...] = ()
    """Fallbacks and other sentences a reader must know."""

    @property
    def efficiency(self) -> float | None:
        """Return bound / makespan ("device efficiency" in words), 0-1; None when one of them is unknown."""
        if self.bound_s is None or self.makespan_s <= 0:
            return None
        return self.bound_s / self.makespan_s

    @property
    def limiting_part(self) -> DevicePart | None:
        """Return the part with the largest sum; None without parts."""
        return max(self.parts, key=lambda part: part.total_s, default=None)
