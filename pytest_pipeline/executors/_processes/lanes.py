"""The workers of one stage, or of all stages, seen from the parent: what waits for them, and who gets it."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter_ns
from typing import TYPE_CHECKING

from pytest_pipeline.executors._processes.chunk_recorder import ChunkRecorder
from pytest_pipeline.executors._processes.frames import Frame, Kind
from pytest_pipeline.executors._processes.poolworker import Sent

if TYPE_CHECKING:
    from pytest_pipeline.executors._processes.pool import Pool
    from pytest_pipeline.executors._processes.poolworker import PoolWorker
    from pytest_pipeline.executors._processes.records import Roster
    from pytest_pipeline.model.plan import Plan

_QUICK_NS = 2_000_000
"""Workers get items in advance worth so much time: it saves a wake-up per item. Longer ones are
not sent ahead, since they could wait behind another while a worker elsewhere is free."""

_MOST_AHEAD = 8
"""Messages in advance at most."""

_AHEAD_BYTES = 16 << 20
"""Answers that may lie finished and unread, per worker: more would only spread over more memory."""


@dataclass(slots=True)
class Parcel:
    """An item, or a chunk of them, that is pickled and waits for a worker."""

    frame: Frame
    origin: Frame | None = None
    """The answer of another worker that it was made from: holds a slot until this one is sent."""
    size: int = -1
    """Bytes that it takes on the socket of the worker that was chosen; -1 until then."""


class Lane:
    """Workers that run the same stages. Items go to whichever is free."""

    def __init__(self, stages: tuple[int, int], workers: Sequence[PoolWorker]) -> None:
        self.stages = stages
        self.workers = workers
        self.waiting: deque[Parcel] = deque()
        self.next: Lane | None = None
        """Takes what this one puts out; None behind the last stage."""
        self.room = 0
        """Messages that may wait for `next`, besides one that each worker here has finished."""
        self.arrivals = ChunkRecorder()
        """When items became available to the first stage here, as visits without a length."""
        self._turn_ns = 2 * _QUICK_NS
        """Moving mean of the time that a message takes in the stages, by the workers' own stamps.

        Not from message to answer: on a busy machine most of that is waiting, which asks for more
        in advance and not for less."""
        self._result_bytes = 0
        """Size of the last answer."""
        for worker in workers:
            worker.blocked_ns = worker.blocked_since_ns = 0

    @property
    def is_first(self) -> bool:
        """True when its items come from the source."""
        return self.stages[0] == 0

    @property
    def last_stage(self) -> int:
        """Index of the stage whose outputs it puts out."""
        return self.stages[1] - 1

    def note_arrival(self, item: int, count: int, at_ns: int) -> None:
        """Note when consecutive items became available."""
        self.arrivals.add((item, 0, count, at_ns, at_ns))
        self.arrivals.fold_if_due()

    def choose(self, parcel: Parcel) -> PoolWorker | None:
        """Return a free worker, or one that may have something in advance, with room for the parcel."""
        free = [worker for worker in self.workers if not worker.window]
        if self.next is not None and self._is_full(self.next):
            now = perf_counter_ns()
            for worker in free:
                worker.blocked_since_ns = worker.blocked_since_ns or now
            return None
        if free:
            _unblock(free)
            return free[0]
        worker = min(self.workers, key=_window_length)
        if len(worker.window) > self._most_ahead():
            return None
        parcel.size = worker.channel.prepare(parcel.frame)
        if worker.window_bytes + parcel.size <= worker.prefetch_bytes:
            return worker
        parcel.frame.unprepare()
        parcel.size = -1
        return None

    def _most_ahead(self) -> int:
        by_time = _QUICK_NS // max(1, self._turn_ns)
        by_size = _AHEAD_BYTES // max(1, self._result_bytes)
        return min(_MOST_AHEAD, by_time, max(1, by_size))

    def sent(self, worker: PoolWorker, parcel: Parcel) -> None:
        """Note that the worker gets the parcel."""
        frame = parcel.frame
        size = parcel.size if parcel.size >= 0 else worker.channel.prepare(frame)
        worker.window.append(Sent(frame.item, frame.count, size))
        worker.window_bytes += size

    def answered(self, worker: PoolWorker, frames: Sequence[Frame]) -> None:
        """Note that the worker has answered."""
        for frame in frames:
            worker.answered(frame)
            if frame.kind is Kind.RESULT:
                self._result_bytes = frame.payload_bytes
                self._turn_ns += (frame.stamps[0] - self._turn_ns) // 4

    def hand_on(self, frames: list[Frame]) -> list[Frame]:
        """Queue the outputs for the next lane; return the other answers, all of them behind the last lane."""
        if self.next is None:
            return frames
        now = perf_counter_ns()
        kept = []
        for frame in frames:
            if frame.kind is Kind.RESULT:
                self.next.take_over(frame, now)
            else:
                kept.append(frame)
        return kept

    def take_over(self, answer: Frame, now_ns: int) -> None:
        """Queue another lane's output as it is: it need not be unpickled on the way."""
        self.note_arrival(answer.item, answer.count, now_ns)
        frame = Frame(Kind.ITEM, answer.item, count=answer.count)
        frame.body, frame.buffers = answer.body, answer.buffers
        self.waiting.append(Parcel(frame, answer))

    def drop_waiting(self) -> None:
        """Give back what holds a slot: the run is over."""
        for parcel in self.waiting:
            if parcel.origin is not None:
                parcel.origin.release()
        self.waiting.clear()

    def _is_full(self, following: Lane) -> bool:
        out = sum(len(worker.window) for worker in self.workers)
        return out + len(following.waiting) >= self.room + len(self.workers)


def make_lanes(pool: Pool, roster: Roster, plan: Plan, most_arrivals: int) -> list[Lane]:
    """Return the lanes of one run, in the order in which items pass them.

    Each of them keeps the arrivals of `most_arrivals` items at most.
    """
    lanes = []
    for slots in roster.lanes:
        workers = [worker for worker in pool.workers if worker.slot in slots]
        lane = Lane(roster.stages[slots[0]], workers)
        lane.arrivals.limit = most_arrivals
        lanes.append(lane)
    for lane, following in itertools.pairwise(lanes):
        lane.next = following
        lane.room = plan.stages[following.stages[0]].queue_size
    return lanes


def _unblock(free: Sequence[PoolWorker]) -> None:
    """Note for all the free workers that there is room again, whoever gets the next parcel."""
    blocked = [worker for worker in free if worker.blocked_since_ns]
    if not blocked:
        return
    now = perf_counter_ns()
    for worker in blocked:
        worker.blocked_ns += now - worker.blocked_since_ns
        worker.blocked_since_ns = 0


def _window_length(worker: PoolWorker) -> int:
    return len(worker.window)
