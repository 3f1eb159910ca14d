"""What `doctor` found out about a machine."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_pipeline.model.environment import Environment
from pytest_pipeline.model.rounds import Reference


@dataclass(frozen=True, slots=True)
class ClockFacts:
    """The clock that every stamp comes from."""

    implementation: str
    """What the interpreter calls."""
    resolution_s: float
    """Smallest step seen between two readings, seconds."""
    cost_s: float
    """One reading, seconds."""
    is_shared: bool
    """Whether readings of two processes may be compared: the heartbeat of p99 gates needs that."""


@dataclass(frozen=True, slots=True)
class ControlFacts:
    """The control kernel on one kind of executor."""

    executor: str
    """Its name."""
    reference: Reference | None = None
    """What the kernel showed; None when it could not run."""
    cause: str = ""
    """Why it could not run; empty when it could."""


@dataclass(frozen=True, slots=True)
class Noise:
    """How steady the control kernel is on threads over some seconds."""

    windows: int
    """Control runs, one after the other with pauses."""
    seconds: float
    """How long we listened."""
    disturbed_share: float
    """Share of the runs above 1.25 times the reference, 0-1: such rounds place no bet."""
    spread: float
    """Distance of the quartiles / median, 0-1."""


@dataclass(frozen=True, slots=True)
class Checkup:
    """All the facts; what follows from them is decided elsewhere."""

    environment: Environment
    """Machine and interpreter."""
    cores_allowed: int
    """CPUs that the affinity of this process leaves."""
    free_threaded: bool
    """Whether this build of Python can run without the GIL."""
    start_methods: tuple[str, ...]
    """How processes can be started here, the default of `processes` first."""
    clock: ClockFacts
    """The clock."""
    controls: tuple[ControlFacts, ...]
    """Per kind of executor."""
    noise: Noise | None
    """None when threads could not run the control kernel."""
    cuda: str
    """Why the cuda executor cannot run here; empty when it can."""
    traced: str
    """The tracing tool that cannot be stopped; empty when none."""
    instruments: tuple[str, ...]
    """Tracing, coverage and xdist that are on in this process or its environment, sentences."""
    companions: dict[str, str]
    """Installed versions of plugins that matter to a measurement."""
    pools: tuple[str, ...]
    """BLAS and OpenMP pools: library and threads."""
    readable: dict[str, bool]
    """Which counters of the system can be read as evidence."""
    rival: str
    """Version of the dead `pytest-pipeline` beside us; empty when it is not installed."""
    seconds: float
    """How long the examination took."""
