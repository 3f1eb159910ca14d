"""The two host threads of a lane: one feeds the device, one drains it; where no item runs ahead, one does both."""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from pytest_pipeline.executors._accounts import IDLE, Account
from pytest_pipeline.executors._device.groups import Groups, shared
from pytest_pipeline.executors._places import note_items
from pytest_pipeline.executors._sink import Dropped
from pytest_pipeline.executors._summary import summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_pipeline.executors._device.execution import DeviceExecution
    from pytest_pipeline.executors._device.lane import Lane
    from pytest_pipeline.executors._device.slots import Use
    from pytest_pipeline.executors._hops import Message, Outgoing
    from pytest_pipeline.executors._intake import Intake
    from pytest_pipeline.executors._run import Run
    from pytest_pipeline.executors._sink import Sink


class Feeder:
    """Takes items, stages them in and issues their copies and launches.

    With a `drainer` it takes each group out before the next one goes in, in one thread, as a plain loop does.
    """

    def __init__(
        self,
        lane: Lane,
        run: DeviceExecution,
        account: Account,
        intake: Intake,
        drainer: Drainer | None = None,
    ) -> None:
        self._lane = lane
        self._run = run
        self._account = account
        self._intake = intake
        self._drainer = drainer
        self._groups = Groups(lane.backend, lane.batch_bytes)
        self._is_lost = False
        if lane.batch_bytes:
            intake.before_wait = self.flush

    def __call__(self) -> None:
        """Feed until the run is over; leave the devices idle."""
        self._account.enter()
        if self._drainer is not None:
            self._drainer.enter()
        try:
            self._wait_idle()
            self._feed()
        finally:
            self._account.item = IDLE
            self._settle()
            if self._drainer is not None:
                self._drainer.leave()
            self._account.leave()

    def _feed(self) -> None:
        for message in self._intake.messages():
            for group in self._groups.add(message):
                if not self._send(group):
                    return

    def flush(self) -> None:
        """Send what is collected: nothing else is there to go with it."""
        if group := self._groups.take():
            self._send(group)

    def _send(self, group: list[Message]) -> bool:
        """Issue a group; False when the run is over."""
        lane, account = self._lane, self._account
        account.since_ns, account.item = perf_counter_ns(), group[0][0]
        use = lane.feed(group)
        account.item = IDLE
        if use is None:
            return False
        self._is_lost = use.is_lost
        if self._drainer is not None:
            return self._drainer.take(use)
        # No reference stays here: the drainer lets go of the tensors, once the device is done with them.
        lane.done.put(use)
        return not self._is_lost

    def _wait_idle(self) -> None:
        try:
            self._lane.synchronize()
        finally:
            self._run.settled.put(None)

    def _settle(self) -> None:
        if self._is_lost:
            return  # the drainer has the error, and knows where it was
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
        self.enter()
        try:
            while (use := self._lane.done.get()) is not None and not self._run.failed:
                if not self.take(use):
                    break
                del use  # its tensors must not outlive it in a thread that waits
        finally:
            self._account.leave()
            self.leave()

    def enter(self) -> None:
        """Stamp the start of the slots' time."""
        for slot in self._slots:
            slot.enter()

    def leave(self) -> None:
        """Stamp its end."""
        for slot, freed in zip(self._slots, self._freed_ns, strict=True):
            slot.leave()
            slot.cpu_ns = 0
            slot.starved_ns += self._run.inside(freed, slot.left_ns)

    def take(self, use: Use) -> bool:
        """Wait for a group, take it out and hand it on; False when the run is over."""
        last = self._lane.steps[-1].stage
        self._account.stage, self._account.since_ns = last, perf_counter_ns()
        self._account.item = use.items[0]
        values, spans = list[Any](), list[int]()
        try:
            values = self._lane.drain(use)
            # Before the slot is granted again: then its events are recorded anew.
            spans = self._lane.spans(use)
        except BaseException as error:
            if use.error is None:
                use.fail(error, last)
        self._lane.release()
        now = perf_counter_ns()
        self._account.item = IDLE
        self._record(use, spans, now)
        if use.error is not None:
            return self._raised(use.items, use.error, use.failed_at, now, is_lost=use.is_lost)
        return all(
            self._raised([item], *use.failed[place], now)
            if place in use.failed
            else self._outlet.send(item, value, now)
            for place, (item, value) in enumerate(zip(use.items, values, strict=True))
        )

    def _raised(
        self,
        items: Sequence[int],
        error: BaseException,
        stage: int,
        now: int,
        *,
        is_lost: bool = False,
    ) -> bool:
        """Drop the items that the error ended, or end the run; no item can follow on a device that is lost."""
        name = self._names[stage]
        if self._run.collects_errors and isinstance(error, Exception) and not is_lost:
            for item in items:
                self._sink.put((item, Dropped(name, item, summary(error)), now))
            return True
        if len(items) > 1:
            note_items(error, name, items)
            self._run.fail(error)
        else:
            self._run.fail(error, name, items[0])
        return False

    def _record(self, use: Use, spans: Sequence[int], now: int) -> None:
        """Record the visits: they share out the time from grant to release by the device's own `spans`.

        The items of a group share its time in a stage evenly: a slot is one worker.
        """
        account = self._slots[use.slot.number]
        began = max(use.granted, *use.enqueued)
        account.starved_ns += self._run.inside(self._freed_ns[use.slot.number], began)
        self._freed_ns[use.slot.number] = now
        steps = self._lane.steps
        ends = self._ends(use, spans, began, now)
        for place, (item, enqueued) in enumerate(zip(use.items, use.enqueued, strict=True)):
            ended_at = use.ended_at(place)
            queued, first = enqueued, began
            for step, end in zip(steps, ends, strict=True):
                if ended_at is not None and step.stage > ended_at:
                    break
                started, finished = shared(first, end, place, len(use.items))
                account.recorder.add((item, step.stage, queued, started, finished))
                queued, first = finished, end

    def _ends(self, use: Use, spans: Sequence[int], began: int, now: int) -> list[int]:
        if use.error is not None:
            return [now] * len(self._lane.steps)
        ends, at = [], began
        for span in spans:
            at = min(now, at + max(0, span))
            ends.append(at)
        return [*ends, now]


def slot_accounts(lane: Lane, replica: int) -> list[Account]:
    """Return an account per slot: the slots are the workers that the ledger counts."""
    first = replica * len(lane.slots)
    return [Account(lane.steps[0].stage, first + slot.number) for slot in lane.slots]
