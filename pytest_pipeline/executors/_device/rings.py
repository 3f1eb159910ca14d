"""The lanes of an open plan: made for its first run, used by every later one, let go of after a failure."""

from __future__ import annotations

import contextlib
import gc
from typing import TYPE_CHECKING

from pytest_pipeline.executors._device.faults import Demand
from pytest_pipeline.executors._device.lane import Lane
from pytest_pipeline.executors._device.poison import keep_for_ever, poisoned
from pytest_pipeline.executors._device.steps import make_steps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_pipeline.executors._device.backend import Backend
    from pytest_pipeline.executors._device.floor import Section
    from pytest_pipeline.model.plan import Plan


class Rings:
    """Holds the only lasting references to lanes, so that `drop` frees what they hold."""

    def __init__(
        self,
        backend: Backend,
        plan: Plan,
        sections: Sequence[Section],
        *,
        devices: tuple[str, ...],
        slots: int,
        is_ahead: bool,
        graphs: bool,
        batch_bytes: int,
    ) -> None:
        self._backend = backend
        self._plan = plan
        self._sections = sections
        self._devices = devices
        self._slots = slots
        self._is_ahead = is_ahead
        self._graphs = graphs
        self._batch_bytes = batch_bytes
        self._first = 0
        self.by_section: list[list[Lane]] = []
        """Replicas of each section; none for one on the host."""

    @property
    def lanes(self) -> list[Lane]:
        """All of them."""
        return [lane for section in self.by_section for lane in section]

    def prepare(self, first: int) -> None:
        """Make the lanes, or make them again when the source became a stage or a run failed."""
        if not self.by_section or first != self._first:
            self._first = first
            self.by_section = [self._lanes_of(section) for section in self._sections]

    def synchronize(self) -> None:
        """Block until all the devices are idle."""
        for lane in self.lanes:
            lane.synchronize()

    def is_alive(self) -> bool:
        """Try the devices."""
        try:
            for device in self._devices:
                self._backend.synchronize(device)
        except Exception:
            return False
        return True

    def demand(self) -> Demand:
        """Return what the slots ask of their devices, and what these have held at most."""
        slots = [slot for lane in self.lanes for slot in lane.slots]
        found = [self._backend.memory(device) for device in self._devices]
        known = [memory for memory in found if memory is not None]
        return Demand(
            ", ".join(self._devices),
            len(slots),
            max((slot.nbytes for slot in slots), default=0),
            max((each.peak_allocated_bytes for each in known), default=None),
            max((each.peak_reserved_bytes for each in known), default=None),
        )

    def close(self, *, is_busy: bool) -> None:
        """Let go of the lanes, and give back what their streams leave in the cache: nobody allocates on them again.

        `is_busy` says that a thread was given up on: to give cached memory back would wait for a
        kernel that may never end.
        """
        has_lanes = bool(self.lanes)
        self._let_go()
        if has_lanes and not is_busy:
            self._empty_cache()

    def drop(self, *, is_busy: bool) -> None:
        """Free every buffer: after a failure nobody knows what still refers to them. `is_busy` as for `close`."""
        self._let_go()
        if poisoned() is not None:
            return
        gc.collect()
        if not is_busy:
            self._empty_cache()

    def _let_go(self) -> None:
        lanes, self.by_section = self.by_section, []
        if poisoned() is not None:
            keep_for_ever(lanes)

    def _empty_cache(self) -> None:
        # A device that is gone cannot be cleaned, and its own error is on its way.
        if poisoned() is None:
            with contextlib.suppress(Exception):
                self._backend.empty_cache()

    def _lanes_of(self, section: Section) -> list[Lane]:
        if not section.is_on_device:
            return []
        stages = [(self._first + k, self._plan.stages[k]) for k in section.stages]
        return [
            Lane(
                self._backend,
                make_steps(stages, device),
                self._slots,
                is_ahead=self._is_ahead,
                graphs=self._graphs,
                batch_bytes=self._batch_bytes,
            )
            for device in self._devices
        ]
