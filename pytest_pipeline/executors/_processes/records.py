"""What the parent and its worker processes tell each other besides items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import process_time_ns
from typing import Any

from pytest_pipeline.executors._context import Modes
from pytest_pipeline.executors._cpu import CpuSampler
from pytest_pipeline.executors._processes.chunk_recorder import ChunkRecorder
from pytest_pipeline.executors._processes.sharedfile import SharedFile
from pytest_pipeline.executors._recorder import MOST_VISITS
from pytest_pipeline.executors._torch_state import TorchSettings


@dataclass(frozen=True, slots=True)
class Roster:
    """Which worker of a pool runs what, by slot."""

    stages: tuple[tuple[int, int], ...]
    """First stage, and the one after the last."""
    is_view: bool = False
    """Stages get large buffers as views into shared memory."""

    @property
    def lanes(self) -> tuple[tuple[int, ...], ...]:
        """Slots of the workers that run the same stages, in the order of the stages."""
        return tuple(
            tuple(slot for slot, each in enumerate(self.stages) if each == stages)
            for stages in sorted(set(self.stages))
        )


@dataclass(frozen=True, slots=True)
class Setup:
    """What a worker process is started with."""

    slot: int
    """Its number in the pool."""
    slots: int
    """Size of the pool."""
    board: SharedFile
    """What the workers are doing."""
    room: SharedFile | None
    """Slots for large buffers, this worker's alone; None when there are none."""
    stages: tuple[int, int]
    """First stage of the plan that it runs, and the one after the last."""
    workers: int = 1
    """Workers that run the same stages, this one included."""
    is_relayed: bool = False
    """What it puts out may go to another worker."""
    is_view: bool = False
    """Stages get large buffers as views into shared memory."""
    environ: Mapping[str, str] | None = None
    """The caller's environment variables, for what the stages' modules read when they are imported."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the caller's process looks like at the start of a run."""

    directory: str
    """Current working directory."""
    environ: dict[str, str]
    """Environment variables."""
    modes: Modes
    """What the test computes under."""
    blas_cap: int | None = None
    """Most threads of a BLAS pool, when the caller's process caps them."""
    variables: Sequence[bytes] = ()
    """Pickled (context variable, value) pairs."""
    decimal: Any = None
    """Context of decimal arithmetic, where the caller has loaded that."""
    torch: TorchSettings | None = None
    """Settings of torch, where the caller has loaded it."""
    collects_garbage: bool = True
    """The caller's garbage collector is on."""
    collections: int = 0
    """Its full collections so far."""
    is_traced: bool = True
    """Coverage, a trace or a profile function is on in the caller's process."""
    drops_prints: bool = False
    """The caller's `sys.stdout` leads nowhere."""
    collects_errors: bool = False
    """An exception of a stage ends its item only."""
    items_each: int = 1
    """Items of the source in one of what the frames number."""
    most_visits: int = MOST_VISITS
    """Visits of one stage that its workers may keep, all together."""


@dataclass(slots=True)
class Report:
    """A worker's part of the ledger of one run, and its visits."""

    recorder: ChunkRecorder = field(default_factory=ChunkRecorder)
    """The visits, or a sample of them."""
    cpu: CpuSampler = field(default_factory=lambda: CpuSampler(0, process_time_ns))
    """CPU time of each stage, from a sample of the items."""
    total_cpu_ns: int = 0
    """CPU time of the process."""
    entered_ns: int = 0
    left_ns: int = 0
    starved_ns: int = 0
    serialisation_ns: int = 0
    transfer_ns: int = 0
    trouble: str = ""
    """Why shared memory could not be had, if it was tried."""
