"""Graphs of a lane's stages: recorded once per slot, on the slot's own addresses, and replayed with one call.

A launch-bound stage spends its time on the host, which issues kernel after kernel; a replay issues
them all at once. A recorded stage is not called again, so that it must do the same to every item:
no branch on values, no state of its own, tensors in and tensors out, always of one shape. What
cannot be recorded is launched as ever, and the reason is kept.

A replay rewrites its output in place. Nothing more than the ring's own edges keeps it from doing so
too early: `compute` waits for the input of the slot, and that for the slot's last output.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_pipeline.executors._device.tree import leaves, mapped
from pytest_pipeline.executors._steps import Chunk
from pytest_pipeline.executors._summary import summary

if TYPE_CHECKING:
    from pytest_pipeline.executors._device.backend import Backend, Graph
    from pytest_pipeline.executors._device.steps import Step

WARM_UP = 3
"""Items that a stage gets plainly first (PyTorch's notes on CUDA graphs): kernels are loaded and libraries set up."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A stage in one slot."""

    places: Any
    """The shape of its input, with an address for every tensor."""
    graph: Graph
    """What is replayed."""


class _PlainError(Exception):
    """Why a stage cannot be replayed."""


class Graphs:
    """Decides per stage whether it is launched or replayed. For one thread."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._launched: Counter[int] = Counter()
        self.refused: dict[int, str] = {}
        """Why a stage is launched plainly from now on, by stage."""

    def launch(self, slot: dict[int, Recorded], step: Step, stream: Any, value: Any) -> Any:
        """Do what `Backend.launch` does, by a replay where that is possible. `slot` holds the slot's graphs."""
        if step.stage not in self.refused and self._launched[step.stage] >= WARM_UP:
            try:
                recorded = self._recorded(slot, step, stream, value)
            except Exception as error:
                reason = str(error) if isinstance(error, _PlainError) else summary(error)
                self.refused[step.stage] = reason
            else:
                recorded.graph.replay(stream)
                return recorded.graph.output
        self._launched[step.stage] += 1
        return self._backend.launch(stream, step.fn, value)

    def _recorded(self, slot: dict[int, Recorded], step: Step, stream: Any, value: Any) -> Recorded:
        places = self._places(value)
        if step.stage not in slot:
            graph = self._backend.capture(stream, step.fn, value)
            if not self._is_all_tensors(graph.output):
                raise _PlainError("what it returns holds more than tensors")
            slot[step.stage] = Recorded(places, graph)
        if slot[step.stage].places != places:
            raise _PlainError("its input changed shape, place or grad mode")
        return slot[step.stage]

    def _places(self, value: Any) -> Any:
        if type(value) is Chunk:
            raise _PlainError("it stands in a plan with batch=")
        if not self._is_all_tensors(value):
            raise _PlainError("what it takes holds more than tensors")
        return mapped(value, self._backend.place)

    def _is_all_tensors(self, value: Any) -> bool:
        found = leaves(value, lambda _leaf: True)
        is_tensor, goes_out = self._backend.is_tensor, self._backend.needs_copy_out
        return bool(found) and all(is_tensor(leaf) and goes_out(leaf) for leaf in found)
