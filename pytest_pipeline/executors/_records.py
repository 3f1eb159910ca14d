"""What the parent and its worker processes tell each other besides items."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

from pytest_pipeline.executors._context import TorchModes


@dataclass(frozen=True, slots=True)
class Setup:
    """What a worker process is started with."""

    slot: int
    """Its number in the pool."""
    slots: int
    """Size of the pool."""
    board: str
    """Path of the shared board."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the caller's process looks like at the start of a run."""

    directory: str
    """Current working directory."""
    environ: dict[str, str]
    """Environment variables."""
    modes: TorchModes | None
    """Torch modes, when they are not the default."""
    blas_cap: int | None = None
    """Most threads of a BLAS pool, when the caller's process caps them."""


@dataclass(slots=True)
class Report:
    """A worker's part of the ledger of one run, and its visits."""

    visits: array[int] = field(default_factory=lambda: array("q"))
    """Flat rows of (item, stage, started_ns, finished_ns)."""
    cpu_ns: list[int] = field(default_factory=list)
    """CPU time of each stage."""
    total_cpu_ns: int = 0
    """CPU time of the process."""
    entered_ns: int = 0
    left_ns: int = 0
    starved_ns: int = 0
    serialisation_ns: int = 0
    transfer_ns: int = 0
