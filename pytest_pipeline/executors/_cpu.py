"""CPU time per stage where one worker hosts several stages, from a sample of the items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_pipeline.model.trace import Floats

_DENSE = 16


class CpuSampler:
    """Reads a CPU clock around the visits of the first 16 items, and then of one item in 16.

    A reading costs 0.7 us, which a stage of a few microseconds would notice on every item.
    """

    def __init__(self, stages: int, clock: Callable[[], int]) -> None:
        self.clock = clock
        self.cpu_ns = [0] * stages
        self.wall_ns = [0] * stages

    @staticmethod
    def takes(item: int) -> bool:
        """Return whether `item` belongs to the sample."""
        return item < _DENSE or item % _DENSE == 0

    def add(self, stage: int, cpu_ns: int, wall_ns: int) -> None:
        """Note one visit."""
        self.cpu_ns[stage] += cpu_ns
        self.wall_ns[stage] += wall_ns

    @staticmethod
    def estimate(samplers: Sequence[CpuSampler], service: Floats) -> list[float]:
        """Return the CPU seconds of each stage: its service time at the sampled share."""
        totals = []
        for stage, service_s in enumerate(service.tolist()):
            wall = sum(sampler.wall_ns[stage] for sampler in samplers)
            cpu = sum(sampler.cpu_ns[stage] for sampler in samplers)
            totals.append(service_s * cpu / wall if wall else 0.0)
        return totals
