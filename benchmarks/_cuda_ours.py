"""Our executor with its slots up, as one arm of the CUDA benchmark. In a dry run it runs on the CPU stand-in for a device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from _cuda_shapes import CPU

from pytest_pipeline.executors.cuda import Cuda, CudaSerial
from pytest_pipeline.executors.protocol import Diagnosable, Executor
from pytest_pipeline.explain.device import with_bounds
from pytest_pipeline.model.plan import Source, make_plan
from pytest_pipeline.model.trace import Trace


def unavailable(device: str) -> str:
    """Return why nothing can be measured on `device`; empty when it can, and for a dry run."""
    return "" if device == CPU else Cuda().unavailable() or ""


def ring(device: str, slots: int, *, graphs: bool = False) -> Executor:
    """Return a ring of so many slots."""
    return Cuda(devices=[_ours(device)], slots=slots, graphs=graphs)


def one_at_a_time(device: str) -> Executor:
    """Return the baseline that a cuda arm is compared with in tests."""
    return CudaSerial(devices=[_ours(device)])


def _ours(device: str) -> str:
    return "cpu:0" if device == CPU else device


class Ours:
    """One executor of ours, opened at its first run."""

    def __init__(self, executor: Executor, fn: Callable[[Any], Any], items: Sequence[Any]) -> None:
        self._executor = executor
        self._plan = make_plan([fn])
        self._source = Source(lambda: iter(items))
        self._running: Any = None
        self._last: Trace | None = None

    def run(self) -> list[Any]:
        """Execute once and return the outputs."""
        if self._running is None:
            self._running = self._executor.open(self._plan)
        self._last = self._running.run(self._source)
        return self._last.outputs

    def bound_s(self) -> float | None:
        """Return the shortest makespan that the parts of this arm allow; None where they are unknown."""
        if self._last is None or not isinstance(self._running, Diagnosable):
            return None
        runs = with_bounds(self._last.devices, self._running.diagnose(self._source))
        return runs[0].bound_s if runs else None

    def notes(self) -> tuple[str, ...]:
        """Return what the last execution fell back to, in words."""
        return self._last.devices[0].notes if self._last is not None else ()

    def close(self) -> None:
        """End the workers and let go of the last outputs."""
        self._last = None
        if self._running is not None:
            self._running.close()
