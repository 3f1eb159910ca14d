"""The two host threads of a lane: one feeds the device, one drains it."""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING

from pytest_pipeline.executors._accounts import IDLE, Account
from pytest_pipeline.executors._sink import Dropped
from pytest_pipeline.executors._summary import summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_pipeline.executors._device.lane import Lane
    from pytest_pipeline.executors._device.slots import Use
    from pytest_pipeline.executors._hops import Outgoing
    from pytest_pipeline.executors._intake import Intake
    from pytest_pipeline.executors._run import Run
    from pytest_pipeline.executors._sink import Sink


class Feeder:
    """Takes items, stages them in and issues their copies and launches."""

    def __init__(self, lane: Lane, run: Run, account: Account, intake: Intake) -> None:
        self._lane = lane
        self._run = run
        self._account = account
        self._intake = intake

    def __call__(self) -> None:
        """Feed until the run is over; leave the devices idle."""
        self._account.enter()
        try:
            self._feed()
        finally:
            self._account.item = IDLE
            self._settle()
            self._account.leave()

    def _feed(self) -> None:
        lane, account = self._lane, self._account
        for item, value, enqueued in self._intake.messages():
            account.since_ns, account.item = perf_counter_ns(), item
            use = lane.feed(item, value, enqueued)
            account.item = IDLE
            if use is None:
                return
            lane.done.put(use)
            del use  # the drainer lets go of its tensors, once the device is done with them

    def _settle(self) -> None:
        # Here and not in the calling thread: a kernel that never ends must not take that one along.
        try:
            self._lane.synchronize()
        except BaseException as error:
            self._run.fail(error)


class Drainer:
    """Waits for results, takes them out, records the visits and hands the items on."""

    def __init__(
        self,
        lane: Lane,
        names: Sequence[str],
        run: Run,
        account: Account,
        slots: Sequence[Account],
        *,
        outlet: Outgoing,
        sink: Sink,
    ) -> None:
        self._lane = lane
        self._names = names
        self._run = run
        self._account = account
        self._slots = slots
        self._outlet = outlet
        self._sink = sink
        self._freed_ns = [0] * len(slots)

    def __call__(self) -> None:
        """Drain until the run is over."""
        self._account.enter()
        for slot in self._slots:
            slot.enter()
        try:
            while (use := self._lane.done.get()) is not None and not self._run.failed:
                if not self._drain(use):
                    break
                del use  # its tensors must not outlive it in a thread that waits
        finally:
            self._leave()

    def _drain(self, use: Use) -> bool:
        last = self._lane.steps[-1].stage
        self._account.stage, self._account.since_ns = last, perf_counter_ns()
        self._account.item = use.item
        try:
            value = self._lane.drain(use)
        except BaseException as error:
            use.error, use.failed_at = use.error or error, use.failed_at or last
            value = None
        self._lane.release()
        now = perf_counter_ns()
        self._account.item = IDLE
        self._record(use, now)
        if use.error is not None:
            return self._raised(use, use.error, now)
        return self._outlet.send(use.item, value, now)

    def _raised(self, use: Use, error: BaseException, now: int) -> bool:
        name = self._names[use.failed_at]
        if self._run.collects_errors and isinstance(error, Exception):
            self._sink.put((use.item, Dropped(name, use.item, summary(error)), now))
            return True
        self._run.fail(error, name, use.item)
        return False

    def _record(self, use: Use, now: int) -> None:
        """Record the visits: they share out the time from grant to release by the device's own events."""
        account = self._slots[use.slot.number]
        began = max(use.granted, use.enqueued)
        account.starved_ns += self._run.inside(self._freed_ns[use.slot.number], began)
        self._freed_ns[use.slot.number] = now
        enqueued, started = use.enqueued, began
        for step, end in zip(self._lane.steps, self._ends(use, began, now), strict=True):
            if use.error is not None and step.stage > use.failed_at:
                break
            account.recorder.add((use.item, step.stage, enqueued, started, end))
            enqueued = started = end

    def _ends(self, use: Use, began: int, now: int) -> list[int]:
        steps, at = self._lane.steps, began
        if use.error is not None:
            return [now] * len(steps)
        ends = []
        for step in steps[:-1]:
            first, last = use.slot.marks(step)
            at = min(now, at + max(0, last.elapsed_ns(first)))
            ends.append(at)
        return [*ends, now]

    def _leave(self) -> None:
        self._account.leave()
        for slot, freed in zip(self._slots, self._freed_ns, strict=True):
            slot.leave()
            slot.cpu_ns = 0
            slot.starved_ns += self._run.inside(freed, slot.left_ns)


def slot_accounts(lane: Lane, replica: int) -> list[Account]:
    """Return an account per slot: the slots are the workers that the ledger counts."""
    first = replica * len(lane.slots)
    return [Account(lane.steps[0].stage, first + slot.number) for slot in lane.slots]
