"""The machine and interpreter a comparison ran on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Environment:
    """Stable facts, enough to say whether two results may be compared."""

    cpu: str
    """Model name of the processor."""
    cores_logical: int
    """Logical CPUs of the machine."""
    cores_usable: int
    """CPUs this process may use: affinity and, when set, the whole part of the cgroup quota."""
    cpu_quota: float | None
    """cgroup CPU quota in cores; None = no quota."""
    memory_bytes: int
    """Physical memory."""
    system: str
    """Operating system and release."""
    python: str
    """Implementation and version."""
    gil: bool
    """True when the GIL is on (read after the stages were imported)."""
    packages: dict[str, str]
    """Versions of pytest, numpy and, when imported, pandas, torch, ..."""
    instruments: tuple[str, ...] = ()
    """Tracing or coverage found on and what was done about it; BLAS threads; debug builds."""
