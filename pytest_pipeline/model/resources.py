"""What one execution used of the machine while it ran."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CoreUse:
    """How busy one core was."""

    core: int
    """Its number."""
    busy: tuple[float, ...]
    """Busy share in each span, 0-1, whoever kept it busy."""


@dataclass(frozen=True, slots=True)
class Resources:
    """One execution apart from the timed rounds, with a thread that took samples meanwhile."""

    left_out: str = ""
    """Why nothing was sampled; then the rest is empty."""
    seconds: float = 0.0
    """How long the execution took, seconds; no estimate uses it."""
    at_s: tuple[float, ...] = ()
    """When memory was read, seconds since the beginning."""
    own_bytes: tuple[int, ...] = ()
    """Resident memory of this process at those moments, bytes."""
    children_bytes: tuple[int, ...] = ()
    """Resident memory of the arm's worker processes and of what they started, bytes; pages that they share
    count in each of them."""
    until_s: tuple[float, ...] = ()
    """Where the spans of the cores end, seconds since the beginning; the first begins at 0."""
    cores: tuple[CoreUse, ...] = ()
    """The cores that this process may use."""
    cpu_s: float | None = None
    """CPU seconds of this process and its descendants over the execution."""
    voluntary_switches: int | None = None
    """Times that one of their threads gave up its core to wait; None where unreadable."""
    involuntary_switches: int | None = None
    """Times that one of their threads lost its core to another; None where unreadable."""
    shipped_bytes: int | None = None
    """Pickled bytes of items and outputs, from the mean of a sample; None for an arm that sends none."""

    @property
    def peak_bytes(self) -> int:
        """Largest resident memory of all processes together; 0 without a sample."""
        both = zip(self.own_bytes, self.children_bytes, strict=True)
        return max((own + children for own, children in both), default=0)
