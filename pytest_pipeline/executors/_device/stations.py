"""The stages of a lane, issued in order: each item of a group apart, copies between devices for the whole group."""

from __future__ import annotations

from collections import Counter
from time import perf_counter_ns, thread_time_ns
from typing import TYPE_CHECKING, Any

from pytest_pipeline.executors._accounts import Account
from pytest_pipeline.executors._device.graphs import Graphs
from pytest_pipeline.executors._device.tree import leaves, replaced

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_pipeline.executors._device.backend import Backend
    from pytest_pipeline.executors._device.slots import Rails, Use
    from pytest_pipeline.executors._device.steps import Step


class Stations:
    """Launches, and the copies between them. For the feeder's thread."""

    def __init__(
        self,
        backend: Backend,
        steps: Sequence[Step],
        rails: Mapping[str, Rails],
        *,
        graphs: bool,
    ) -> None:
        self._backend = backend
        self._steps = steps
        self._rails = rails
        self._marks = len(steps) > 1
        self.graphs = Graphs(backend) if graphs else None

    def restart(self) -> None:
        """Begin a run."""
        self.moved: Counter[tuple[str, str]] = Counter()
        """Bytes copied between devices, by (from, to)."""
        self.feeding = Account(self._steps[0].stage, 0)
        """The feeder's account: tells which stage and item it is in."""
        self.cpu_ns = {step.stage: 0 for step in self._steps}
        """CPU time of the feeder inside each stage."""

    def visit(self, use: Use, values: list[Any]) -> list[Any]:
        """Issue all the stages for the items of a group; return what each makes of each."""
        where = self._steps[0].device
        for number, step in enumerate(self._steps):
            self.feeding.stage = step.stage
            values = self._moved(use, values, where, step.device, str(number))
            where, rail = step.device, self._rails[step.device]
            begin, end = use.slot.marks(step) if self._marks else (None, None)
            if begin is not None:
                begin.record(rail.compute)
            cpu = thread_time_ns()
            if step.branches:
                values = self._fanned(use, step, values, number)
            else:
                values = self._launched(use, step, step.device, step.fn, values)
            self.cpu_ns[step.stage] += thread_time_ns() - cpu
            if end is not None:
                end.record(rail.compute)
            use.kept.append(values)
        return values

    def _launched(
        self, use: Use, step: Step, device: str, fn: Callable[..., Any], *columns: list[Any]
    ) -> list[Any]:
        """Call `fn` once per item; one that fails ends its item only, and alone its group."""
        made = list[Any]()
        for place, row in enumerate(zip(*columns, strict=True)):
            result = None
            if place not in use.failed:
                self.feeding.item, self.feeding.since_ns = use.items[place], perf_counter_ns()
                try:
                    result = self._launch(use, step, device, fn, row)
                except Exception as error:
                    if len(use.items) == 1:
                        raise
                    use.failed[place] = error, step.stage
            made.append(result)
        return made

    def _launch(
        self, use: Use, step: Step, device: str, fn: Callable[..., Any], row: tuple[Any, ...]
    ) -> Any:
        stream = self._rails[device].compute
        if self.graphs is None or step.branches:
            return self._backend.launch(stream, fn, *row)
        return self.graphs.launch(use.slot.graphs, step, stream, *row)

    def _fanned(self, use: Use, step: Step, values: list[Any], number: int) -> list[Any]:
        """Run the branches, each on its device, and join them on the step's."""
        if self.graphs is not None:
            self.graphs.refused[step.stage] = "it is a fan"
        # All the copies first: a branch on this device must not hold up the others'.
        inputs = [
            self._moved(use, values, step.device, device, f"{number}.{k}.in")
            for k, (_, device) in enumerate(step.branches)
        ]
        results = [
            self._launched(use, step, device, fn, given)
            for (fn, device), given in zip(step.branches, inputs, strict=True)
        ]
        use.kept.append((inputs, results))
        joined = [
            self._moved(use, result, device, step.device, f"{number}.{k}.out")
            for k, (result, (_, device)) in enumerate(zip(results, step.branches, strict=True))
        ]
        return self._launched(use, step, step.device, step.fn, *joined)

    def _moved(self, use: Use, values: list[Any], source: str, target: str, key: str) -> list[Any]:
        """Return the values with their tensors copied from one device to another, ordered by events."""
        backend = self._backend
        if source == target:
            return values
        tensors = leaves(values, self._goes_out)
        buffer, left, arrived = use.slot.crossing(key, source, target)
        rail = self._rails[source]
        if not tensors:
            # What was launched there still belongs to this use of the slot, and must be over with it.
            left.record(rail.compute)
            self._rails[target].compute.wait_event(left)
            return values
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
        return list(replaced(values, self._goes_out, [backend.fresh(view) for view in views]))

    def _goes_out(self, leaf: Any) -> bool:
        return self._backend.is_tensor(leaf) and self._backend.needs_copy_out(leaf)
