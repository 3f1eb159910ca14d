"""The way of items through one replica: a ring of slots, three streams per device, three events per slot.

What orders what, for item i in slot i mod R (H2D: host to device, D2H: device to host):

| edge                                              | without it                                          |
|---------------------------------------------------|-----------------------------------------------------|
| feeder waits on the host for `in_ready` of i - R  | page-locked input rewritten while it is copied      |
| `h2d` waits for `out_ready` of i - R              | device input rewritten under kernels that read it   |
| `compute` waits for `in_ready`                    | kernels read the previous item's input              |
| `d2h` waits for `computed`                        | half-computed results are copied out                |
| drainer waits on the host for `out_ready`         | page-locked output read before it is written        |
| feeder waits for the drainer's grant of i - R     | page-locked output rewritten while it is read       |
| drainer reads the times of i before that grant    | events recorded anew, or not done, while read       |
| `peer` waits for `left`, `compute` for `arrived`  | the same between two devices                        |

The test that drops each of them in turn stands in tests/executors/test_device_races.py. An item is
staged in before its slot is granted, so R slots hold R items and one more is on its way in.
References to what a stage made stay in the slot's use until `out_ready`: the caching allocator would
give the memory to the next kernel on `compute` while `d2h` still reads it.
"""

from __future__ import annotations

from queue import SimpleQueue
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from pytest_pipeline.executors._device.reuse import Results
from pytest_pipeline.executors._device.slots import Rails, Slot, Use
from pytest_pipeline.executors._device.stations import Stations
from pytest_pipeline.executors._device.steps import devices_of
from pytest_pipeline.executors._device.tree import leaves, replaced
from pytest_pipeline.executors._steps import Chunk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_pipeline.executors._device.backend import Backend
    from pytest_pipeline.executors._device.steps import Step
    from pytest_pipeline.executors._hops import Message

Grant = tuple[bool, Any]
"""(False to end, the drainer's mark)."""


class Lane:
    """One replica. `feed` is for one host thread, `drain` for another (or the same); the queues between them order the two."""

    def __init__(
        self,
        backend: Backend,
        steps: Sequence[Step],
        slots: int,
        *,
        is_ahead: bool,
        graphs: bool = False,
        batch_bytes: int = 0,
    ) -> None:
        self.steps = steps
        self.devices = devices_of(steps)
        self.backend = backend
        self.batch_bytes = batch_bytes
        """Largest group of small items that is copied at once; 0 = each alone."""
        self.is_ahead = is_ahead
        """Whether the next group may be on its way before this one is taken out; else one thread does both."""
        self._rails = {device: Rails(backend, device) for device in self.devices}
        self._first, self._last = self._rails[steps[0].device], self._rails[steps[-1].device]
        self.slots = [Slot(backend, k, self._rails, steps[-1].device) for k in range(slots)]
        self.stations = Stations(backend, steps, self._rails, graphs=graphs)
        self.restart()

    def restart(self) -> None:
        """Begin a run: every slot is free. The devices must be idle."""
        self._next = 0
        self.fed = 0
        """Items that came in."""
        self.is_pageable = False
        """True once one of them had to be staged in."""
        self.stations.restart()
        self._results = Results(self.backend.address, len(self.slots))
        self.done: SimpleQueue[Use | None] = SimpleQueue()
        self.free: SimpleQueue[Grant] = SimpleQueue()
        for _ in self.slots:
            self.free.put((True, None))

    def stop(self) -> None:
        """End both threads, now or at their next wait."""
        self.done.put(None)
        self.free.put((False, None))

    def synchronize(self) -> None:
        """Block until all the lane's devices are idle."""
        for device in self.devices:
            self.backend.synchronize(device)

    def feed(self, group: Sequence[Message]) -> Use | None:
        """Issue everything that the items of a group need; None when the run is over."""
        use = Use(self.slots[self._next], group)
        self._next = (self._next + 1) % len(self.slots)
        self.fed += sum(value.count if type(value) is Chunk else 1 for _, value, _ in group)
        feeding = self.stations.feeding
        feeding.stage = self.steps[0].stage
        if not self.is_ahead and not self._grant(use):
            return None
        try:
            values = self._enter(use, [value for _, value, _ in group])
        except BaseException as error:
            use.fail(error, feeding.stage)
        if self.is_ahead and not self._grant(use):
            return None
        if use.error is None:
            try:
                self._leave(use, self.stations.visit(use, values))
            except BaseException as error:
                use.fail(error, feeding.stage)
        if use.error is not None or use.failed:
            self._settle(use)
        return use

    def drain(self, use: Use) -> list[Any]:
        """Wait for a group's results and return one per item, in memory that belongs to the caller."""
        backend = self.backend
        use.slot.out_ready.synchronize()
        outs = [backend.taken_out(view) for view in use.views]
        values, use.values = use.values, []
        use.is_drained = True  # before its memory is anybody's
        use.kept.clear()
        use.entered = []
        if use.is_numpy:
            outs = [backend.as_numpy(out) for out in outs]
        return list(replaced(values, self._goes_out, outs))

    def spans(self, use: Use) -> list[int]:
        """Return how long each stage but the last one took, in nanoseconds of its device; nothing of a group that failed."""
        if use.error is not None:
            return []
        marks = [use.slot.marks(step) for step in self.steps[:-1]]
        return [end.elapsed_ns(begin) for begin, end in marks]

    def release(self) -> None:
        """Grant the slot of the oldest use to the feeder."""
        self.free.put((True, self.backend.hand_over()))

    def _grant(self, use: Use) -> bool:
        is_going_on, mark = self.free.get()
        if is_going_on:
            self.backend.take_over(mark)
            use.granted = perf_counter_ns()
        return is_going_on

    def _settle(self, use: Use) -> None:
        """Wait until what was issued is done: only then may the slot of a failed group be used again.

        A device that is lost says so here. That error takes the place of the stage's own, which may be a plain
        RuntimeError of a library that tripped over the same thing: it names the place, and this one the fault.
        """
        try:
            self.synchronize()
        except Exception as lost:
            use.lose(lost)

    def _enter(self, use: Use, values: list[Any]) -> list[Any]:
        """Stage the tensors in and copy them to the device; return the values as the device has them."""
        backend, slot, rail = self.backend, use.slot, self._first
        tensors = leaves(values, backend.is_tensor)
        hosted = [each for each in tensors if self._comes_in(each)]
        use.entered = [each for each in tensors if backend.is_on_device(each)]
        for each in use.entered:
            backend.enters_behind(rail.compute, each)
        adopted = [backend.adopt(each) for each in hosted]
        use.is_numpy = bool(hosted) and all(
            ours is not theirs for ours, theirs in zip(adopted, hosted, strict=True)
        )
        if not hosted:
            return values
        slot.in_ready.synchronize()
        is_pinned = all(backend.is_pinned(each) for each in adopted)
        self.is_pageable |= not is_pinned
        if is_pinned and len(use.items) == 1:
            rail.h2d.wait_event(slot.out_ready)
            views = slot.device_in.views(adopted)
            for view, each in zip(views, adopted, strict=True):
                backend.copy(rail.h2d, view, each)
        else:
            for view, each in zip(slot.host_in.views(adopted), adopted, strict=True):
                backend.host_copy(view, each)
            rail.h2d.wait_event(slot.out_ready)
            views = slot.device_in.views(adopted)
            backend.copy(rail.h2d, slot.device_in.span, slot.host_in.span)
        slot.in_ready.record(rail.h2d)
        rail.compute.wait_event(slot.in_ready)
        use.kept.append((adopted, views))
        return list(replaced(values, self._comes_in, [backend.fresh(view) for view in views]))

    def _leave(self, use: Use, values: list[Any]) -> None:
        """Copy the results into page-locked memory; `out_ready` tells when they are there."""
        backend, slot, rail = self.backend, use.slot, self._last
        results = [leaves(value, self._goes_out) for value in values]
        self._results.add(use, results)
        tensors = [each for found in results for each in found]
        whole = [backend.packed(rail.compute, each) for each in tensors]
        slot.computed.record(rail.compute)
        rail.d2h.wait_event(slot.computed)
        use.views = list(slot.host_out.views(whole)) if whole else []
        for view, each in zip(use.views, whole, strict=True):
            backend.copy(rail.d2h, view, each)
        slot.out_ready.record(rail.d2h)
        use.values = values
        use.kept.append(whole)

    def _comes_in(self, leaf: Any) -> bool:
        return self.backend.is_tensor(leaf) and not self.backend.is_on_device(leaf)

    def _goes_out(self, leaf: Any) -> bool:
        return self.backend.is_tensor(leaf) and self.backend.needs_copy_out(leaf)
