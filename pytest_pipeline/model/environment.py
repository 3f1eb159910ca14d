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
    cores_allowed: int | None = None
    """CPUs that affinity leaves, whatever the quota; None = as many as are usable."""

    @property
    def cores(self) -> float:
        """CPUs that may be busy at once on average: a quota of 1.5 leaves 1 usable, and the time of 1.5."""
        allowed = float(self.cores_allowed or self.cores_usable)
        return allowed if self.cpu_quota is None else min(allowed, self.cpu_quota)
