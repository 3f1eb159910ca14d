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
| `peer` waits for `left`, `compute` for `arrived`  | the same between two devices                        |

The test that drops each of them in turn stands in tests/executors/test_device_races.py. An item is
staged in before its slot is granted, so R slots hold R items and one more is on its way in.
References to what a stage made stay in the slot's use until `out_ready`: the caching allocator would
give the memory to the next kernel on `compute` while `d2h` still reads it.
"""

from __future__ import annotations

from collections import Counter
from queue import SimpleQueue
from time import perf_counter_ns, thread_time_ns
from typing import TYPE_CHECKING, Any

from pytest_pipeline.executors._accounts import Account
from pytest_pipeline.executors._device.graphs import Graphs
from pytest_pipeline.executors._device.slots import Rails, Slot, Use
from pytest_pipeline.executors._device.steps import devices_of
from pytest_pipeline.executors._device.tree import leaves, replaced
from pytest_pipeline.executors._steps import Chunk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_pipeline.executors._device.backend import Backend
    from pytest_pipeline.executors._device.steps import Step

Grant = tuple[bool, Any]
"""(False to end, the drainer's mark)."""


class Lane:
    """One replica. `feed` is for one host thread, `drain` for another; the queues between them order the two."""

    def __init__(
        self,
        backend: Backend,
        steps: Sequence[Step],
        slots: int,
        *,
        is_ahead: bool,
        graphs: bool = False,
    ) -> None:
        self.steps = steps
        self.devices = devices_of(steps)
        self.backend = backend
        self._is_ahead = is_ahead
        self._rails = {device: Rails(backend, device) for device in self.devices}
        self._first, self._last = self._rails[steps[0].device], self._rails[steps[-1].device]
        self.slots = [Slot(backend, k, self._rails, steps[-1].device) for k in range(slots)]
        self._marks = len(steps) > 1
        self.graphs = Graphs(backend) if graphs else None
        self.restart()

    def restart(self) -> None:
        """Begin a run: every slot is free. The devices must be idle."""
        self._next = 0
        self.fed = 0
        """Items that came in."""
        self.is_pageable = False
        """True once one of them had to be staged in."""
        self.moved: Counter[tuple[str, str]] = Counter()
        """Bytes copied between devices, by (from, to)."""
        self.feeding = Account(self.steps[0].stage, 0)
        """The feeder's account: tells which stage it is in."""
        self.cpu_ns = {step.stage: 0 for step in self.steps}
        """CPU time of the feeder inside each stage."""
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

    def feed(self, item: int, value: Any, enqueued: int) -> Use | None:
        """Issue everything that one item needs; None when the run is over."""
        use = Use(self.slots[self._next], item, enqueued)
        self._next = (self._next + 1) % len(self.slots)
        self.fed += value.count if type(value) is Chunk else 1
        self.feeding.stage = self.steps[0].stage
        if not self._is_ahead and not self._grant(use):
            return None
        try:
            value = self._enter(use, value)
        except BaseException as error:
            use.error, use.failed_at = error, self.feeding.stage
        if self._is_ahead and not self._grant(use):
            return None
        if use.error is None:
            try:
                self._leave(use, self._compute(use, value))
            except BaseException as error:
                use.error, use.failed_at = error, self.feeding.stage
        if use.error is not None:
            self.synchronize()  # whatever was issued before is done before its slot is used again
        return use

    def drain(self, use: Use) -> Any:
        """Wait for one item's results and return them, in memory that belongs to the caller."""
        backend = self.backend
        use.slot.out_ready.synchronize()
        outs = [backend.taken_out(view) for view in use.views]
        value, use.value = use.value, None
        use.kept.clear()
        if use.is_numpy:
            outs = [backend.as_numpy(out) for out in outs]
        return replaced(value, self._goes_out, outs)

    def release(self) -> None:
        """Grant the slot of the oldest use to the feeder."""
        self.free.put((True, self.backend.hand_over()))

    def _grant(self, use: Use) -> bool:
        is_going_on, mark = self.free.get()
        if is_going_on:
            self.backend.take_over(mark)
            use.granted = perf_counter_ns()
        return is_going_on

    def _enter(self, use: Use, value: Any) -> Any:
        """Stage the tensors in and copy them to the device; return the value as the device has it."""
        backend, slot, rail = self.backend, use.slot, self._first
        tensors = leaves(value, backend.is_tensor)
        hosted = [each for each in tensors if not backend.is_on_device(each)]
        for each in tensors:
            if backend.is_on_device(each):
                backend.enters_behind(rail.compute, each)
        adopted = [backend.adopt(each) for each in hosted]
        use.is_numpy = bool(hosted) and all(
            ours is not theirs for ours, theirs in zip(adopted, hosted, strict=True)
        )
        if not hosted:
            return value
        slot.in_ready.synchronize()
        if all(backend.is_pinned(each) for each in adopted):
            rail.h2d.wait_event(slot.out_ready)
            views = slot.device_in.views(adopted)
            for view, each in zip(views, adopted, strict=True):
                backend.copy(rail.h2d, view, each)
        else:
            self.is_pageable = True
            for view, each in zip(slot.host_in.views(adopted), adopted, strict=True):
                backend.host_copy(view, each)
            rail.h2d.wait_event(slot.out_ready)
            views = slot.device_in.views(adopted)
            backend.copy(rail.h2d, slot.device_in.span, slot.host_in.span)
        slot.in_ready.record(rail.h2d)
        rail.compute.wait_event(slot.in_ready)
        use.kept.append((adopted, views))
        return replaced(
            value,
            lambda leaf: backend.is_tensor(leaf) and not backend.is_on_device(leaf),
            list(views),
        )

    def _compute(self, use: Use, value: Any) -> Any:
        backend, where = self.backend, self.steps[0].device
        for number, step in enumerate(self.steps):
            self.feeding.stage, self.feeding.since_ns = step.stage, perf_counter_ns()
            value = self._moved(use, value, where, step.device, str(number))
            where, rail = step.device, self._rails[step.device]
            begin, end = use.slot.marks(step) if self._marks else (None, None)
            if begin is not None:
                begin.record(rail.compute)
            cpu = thread_time_ns()
            if step.branches:
                value = self._fanned(use, step, value, number)
                if self.graphs is not None:
                    self.graphs.refused[step.stage] = "it is a fan"
            elif self.graphs is not None:
                value = self.graphs.launch(use.slot.graphs, step, rail.compute, value)
            else:
                value = backend.launch(rail.compute, step.fn, value)
            self.cpu_ns[step.stage] += thread_time_ns() - cpu
            if end is not None:
                end.record(rail.compute)
            use.kept.append(value)
        return value

    def _fanned(self, use: Use, step: Step, value: Any, number: int) -> Any:
        """Run the branches, each on its device, and join them on the step's."""
        backend, results = self.backend, []
        # All the copies first: a branch on this device must not hold up the others'.
        inputs = [
            self._moved(use, value, step.device, device, f"{number}.{k}.in")
            for k, (_, device) in enumerate(step.branches)
        ]
        for (fn, device), given in zip(step.branches, inputs, strict=True):
            results.append(backend.launch(self._rails[device].compute, fn, given))
        use.kept.append((inputs, results))
        joined = [
            self._moved(use, result, device, step.device, f"{number}.{k}.out")
            for k, (result, (_, device)) in enumerate(zip(results, step.branches, strict=True))
        ]
        return backend.launch(self._rails[step.device].compute, step.fn, *joined)

    def _moved(self, use: Use, value: Any, source: str, target: str, key: str) -> Any:
        """Return the value with its tensors copied from one device to another, ordered by events."""
        backend = self.backend
        tensors = leaves(value, self._goes_out)
        if source == target or not tensors:
            return value
        buffer, left, arrived = use.slot.crossing(key, source, target)
        rail = self._rails[source]
        whole = [backend.packed(rail.compute, each) for each in tensors]
        views = buffer.views(whole)
        left.record(rail.compute)
        rail.peer.wait_event(left)
        for view, each in zip(views, whole, strict=True):
            backend.copy(rail.peer, view, each)
        arrived.record(rail.peer)
        self.moved[source, target] += sum(backend.spec(each)[1] for each in whole)
        self._rails[target].compute.wait_event(arrived)
        use.kept.append((whole, views))
        return replaced(value, self._goes_out, list(views))

    def _leave(self, use: Use, value: Any) -> None:
        """Copy the results into page-locked memory; `out_ready` tells when they are there."""
        backend, slot, rail = self.backend, use.slot, self._last
        tensors = leaves(value, self._goes_out)
        whole = [backend.packed(rail.compute, each) for each in tensors]
        slot.computed.record(rail.compute)
        rail.d2h.wait_event(slot.computed)
        use.views = list(slot.host_out.views(whole)) if whole else []
        for view, each in zip(use.views, whole, strict=True):
            backend.copy(rail.d2h, view, each)
        slot.out_ready.record(rail.d2h)
        use.value = value
        use.kept.append(whole)

    def _goes_out(self, leaf: Any) -> bool:
        return self.backend.is_tensor(leaf) and self.backend.needs_copy_out(leaf)
