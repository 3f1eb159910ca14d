"""What devices did in one execution, read before and after it, outside the timed part."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pytest_pipeline.executors._device.backend import Backend
from pytest_pipeline.executors._device.nvml import Nvml
from pytest_pipeline.model.device import DeviceReadings, DeviceRun, HostMemory, Transfer

_STAND_INS = {
    "cpu": "CPU in place of a device, not a measurement",
    "simulated": "simulated on a virtual clock, not a measurement",
}


@dataclass(frozen=True, slots=True)
class Identity:
    """Which device it is."""

    name: str
    """The product's name."""
    uuid: str = ""
    """What the driver's library finds it by; empty for a device that it does not know."""


@dataclass(frozen=True, slots=True)
class Use:
    """How one execution used its devices."""

    makespan_s: float
    """Host clock around a synchronise, seconds."""
    slots: int
    """Slots of each ring."""
    items: Mapping[str, int]
    """Items by device."""
    source: HostMemory
    """Pageable as soon as one item was."""
    transfers: Sequence[Transfer] = ()
    """Copies between devices."""
    notes: Sequence[str] = field(default_factory=tuple)
    """Fallbacks, in words."""


class DeviceWatch:
    """Reads the devices of open workers around their executions; `close` with the workers."""

    def __init__(
        self,
        backend: Backend,
        devices: Iterable[str],
        identify: Callable[[str, str], Identity] | None = None,
    ) -> None:
        find = identify or identity_of
        self._backend = backend
        self._identities = {name: find(backend.kind, name) for name in devices}
        self._readers = {
            name: Nvml(identity.uuid)
            for name, identity in self._identities.items()
            if identity.uuid
        }
        self._before: dict[str, DeviceReadings] = {}

    def before(self) -> None:
        """Read what an execution changes, and let the peaks of memory begin anew."""
        for name in self._identities:
            self._backend.reset_peaks(name)
        self._before = {name: reader.before() for name, reader in self._readers.items()}

    def after(self, use: Use) -> tuple[DeviceRun, ...]:
        """Return one record per device; parts and bound come from a diagnosis."""
        return tuple(self._run(name, use) for name in self._identities)

    def close(self) -> None:
        """Leave the driver's library."""
        for reader in self._readers.values():
            reader.close()

    def _run(self, device: str, use: Use) -> DeviceRun:
        memory = self._backend.memory(device)
        reader = self._readers.get(device)
        before = self._before.get(device, DeviceReadings())
        return DeviceRun(
            device=device,
            name=self._identities[device].name,
            source=use.source,
            slots=use.slots,
            num_items=use.items.get(device, 0),
            makespan_s=use.makespan_s,
            parts=(),
            bound_s=None,
            peak_allocated_bytes=None if memory is None else memory.peak_allocated_bytes,
            peak_reserved_bytes=None if memory is None else memory.peak_reserved_bytes,
            readings=DeviceReadings() if reader is None else reader.after(before),
            transfers=tuple(each for each in use.transfers if each.source == device),
            notes=tuple(use.notes),
        )


def identity_of(kind: str, device: str) -> Identity:
    """Return name and uuid of a device of torch; a stand-in is named as one."""
    if kind in _STAND_INS:
        return Identity(_STAND_INS[kind])
    import torch

    properties = torch.cuda.get_device_properties(device)
    return Identity(str(properties.name), str(getattr(properties, "uuid", "")))
