"""Who gets the next message, and when nobody does: lanes of workers that are not there."""

from collections import deque
from types import SimpleNamespace

import pytest

from pytest_pipeline.executors._processes import lanes
from pytest_pipeline.executors._processes.frames import Frame, Kind
from pytest_pipeline.executors._processes.lanes import Lane, Parcel


def worker():
    return SimpleNamespace(
        window=deque(),
        window_bytes=0,
        prefetch_bytes=1 << 15,
        channel=SimpleNamespace(prepare=lambda frame: 100),
        blocked_ns=0,
        blocked_since_ns=0,
    )


def chunk_of(count):
    return Parcel(Frame(Kind.ITEM, 0, count=count))


@pytest.fixture
def pair():
    """Four workers of a first stage, and two of one that follows with a queue of 16."""
    lane, following = Lane((0, 1), [worker() for _ in range(4)]), Lane((1, 2), [worker(), worker()])
    lane.next, lane.room = following, 16
    return lane, following


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is set."""
    now = SimpleNamespace(ns=1)
    monkeypatch.setattr(lanes, "perf_counter_ns", lambda: now.ns)
    return now


def test_chunks_larger_than_the_queue_keep_all_workers_of_an_earlier_stage_busy(pair):
    lane, _ = pair
    for _ in range(4):
        parcel = chunk_of(32)
        chosen = lane.choose(parcel)
        assert chosen is not None
        lane.sent(chosen, parcel)
    assert [len(one.window) for one in lane.workers] == [1, 1, 1, 1]


def test_a_full_queue_behind_a_stage_holds_its_workers_back(pair):
    lane, following = pair
    following.waiting.extend(chunk_of(1) for _ in range(20))
    assert lane.choose(chunk_of(1)) is None


def test_a_free_worker_is_blocked_until_there_is_room_and_not_until_its_next_item(pair, clock):
    lane, following = pair
    following.waiting.extend(chunk_of(1) for _ in range(20))
    clock.ns = 1000
    assert lane.choose(chunk_of(1)) is None
    following.waiting.clear()
    clock.ns = 1500
    assert lane.choose(chunk_of(1)) is lane.workers[0]
    clock.ns = 9000
    lane.sent(lane.workers[1], chunk_of(1))
    assert [one.blocked_ns for one in lane.workers] == [500] * 4
