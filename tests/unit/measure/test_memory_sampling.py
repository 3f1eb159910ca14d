"""The sampler on scripted levels and scripted time: what is kept, when it stops, what period it reports."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from statistics import median

import pytest

from pytest_pipeline.clock import FakeClock
from pytest_pipeline.measure.system.footprint import Footprint, _listed_by_kernel, _listed_by_psutil
from pytest_pipeline.measure.system.heap import hidden_memory
from pytest_pipeline.measure.system.sampler import PERIOD_S, Sampler, Sampling, StopToken

THREADS = """
import threading

from pytest_pipeline.measure.system.footprint import Footprint
from pytest_pipeline.measure.system.heap import returning_heap, settle

footprint = Footprint()


def worker():
    for _ in range(4):
        settle()
        before = footprint.read_bytes()
        block = bytearray(b"x") * 16_000_000
        print(footprint.read_bytes() - before)
        del block


with returning_heap():
    for _ in range(2):
        thread = threading.Thread(target=worker)
        thread.start()
        thread.join()
"""


class Levels:
    """A footprint whose every reading takes some virtual time and gives the next level."""

    kind = "PSS"

    def __init__(self, clock, levels, *, reading_s=0.0):
        self._clock = clock
        self._levels = iter(levels)
        self._reading_s = reading_s

    def read_bytes(self):
        self._clock.advance(self._reading_s)
        return next(self._levels)


def pauses(clock, count, asked):
    """Return a wait that lets virtual time pass `count` times and then says stop."""
    left = iter([False] * count + [True])

    def stopped_within(seconds):
        asked.append(seconds)
        clock.advance(seconds)
        return next(left)

    return stopped_within


def test_the_largest_level_is_kept_and_every_sample_counted():
    clock, asked = FakeClock(), []
    levels = Levels(clock, [5, 90, 20, 70])
    sampler = Sampler(levels.read_bytes, pauses(clock, 3, asked), clock)
    sampler()
    assert (sampler.largest, sampler.samples) == (90, 4)
    assert asked == [PERIOD_S] * 4


def test_quick_readings_keep_the_period_and_slow_ones_take_half_of_the_time():
    clock, asked = FakeClock(), []
    sampler = Sampler(
        Levels(clock, [1, 1], reading_s=0.004).read_bytes, pauses(clock, 1, asked), clock
    )
    sampler()
    assert asked == pytest.approx([0.006, 0.006])
    slow: list[float] = []
    Sampler(Levels(clock, [1, 1], reading_s=0.03).read_bytes, pauses(clock, 1, slow), clock)()
    assert slow == pytest.approx([0.03, 0.03])


def test_a_stop_token_given_before_the_wait_ends_it_at_once():
    token = StopToken()
    token.stop()
    assert token.stopped_within(3600.0)


class Gauge:
    """A footprint whose level the execution sets; tells when it has been read often enough."""

    kind = "PSS"

    def __init__(self):
        self.level = 10
        self.was_read = threading.Semaphore(0)

    def read_bytes(self):
        self.was_read.release()
        return self.level


def test_a_level_that_has_gone_again_when_the_execution_ends_is_seen():
    gauge = Gauge()

    def execute():
        gauge.level = 99
        for _ in range(5):  # two before the execution, and some sampled at the new level
            assert gauge.was_read.acquire(timeout=30)
        gauge.level = 11
        return "outputs"

    result, reading = Sampling(gauge, FakeClock())(execute)
    assert result == "outputs"
    assert (reading.before_bytes, reading.peak_bytes, reading.increase_bytes) == (10, 99, 89)
    assert reading.samples >= 3


def test_the_level_right_after_the_execution_counts():
    gauge = Gauge()

    def execute():
        gauge.level = 50

    _, reading = Sampling(gauge, FakeClock())(execute)
    assert reading.increase_bytes == 40


def test_an_execution_that_raises_leaves_no_thread_behind():
    def execute():
        raise ValueError("stage")

    with pytest.raises(ValueError, match="stage"):
        Sampling(Gauge(), FakeClock())(execute)
    assert not [each for each in threading.enumerate() if each.name == "pipeline-memory"]


def test_a_plan_that_gives_memory_back_never_shows_a_negative_increase():
    gauge = Gauge()

    def execute():
        gauge.level = 0

    _, reading = Sampling(gauge, FakeClock())(execute)
    assert reading.increase_bytes == 0


# --- the real counters, without any speed


def held_by_a_child(footprint):
    child = subprocess.Popen(
        [sys.executable, "-c", "b = bytearray(b'x') * 40_000_000; print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert child.stdout is not None
        child.stdout.readline()
        held = footprint.read_bytes()
    finally:
        child.communicate(b"\n")
    return held - footprint.read_bytes()


def test_a_block_that_a_child_process_holds_is_counted_once():
    # Libraries count less once a process of another test maps them, too.
    held = median(held_by_a_child(Footprint()) for _ in range(3))
    assert 40_000_000 <= held < 80_000_000


@pytest.mark.skipif(not os.path.exists("/proc/self/smaps_rollup"), reason="needs Linux")
def test_on_linux_memory_is_counted_as_proportional_set_size():
    assert Footprint().kind == "PSS"


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_the_quick_list_of_descendants_is_the_complete_one():
    grandparent = [
        sys.executable,
        "-c",
        "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(flush=True); input()'])",
    ]
    child = subprocess.Popen(grandparent, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        child.stdout.readline()
        assert set(_listed_by_kernel(os.getpid())) == set(_listed_by_psutil(os.getpid()))
        assert child.pid in set(_listed_by_kernel(os.getpid()))
    finally:
        child.communicate(b"\n")


@pytest.mark.skipif(sys.platform != "linux", reason="the heap of glibc")
@pytest.mark.skipif(bool(hidden_memory()), reason="no glibc heap: such a gate is never met here")
def test_memory_that_a_worker_thread_freed_is_needed_again_by_the_next_execution():
    """A block of 16 MB read as nothing from the third or fourth execution on: its thread's heap had kept it."""
    # In a process of its own: here children of other tests may end between two readings.
    done = subprocess.run(
        [sys.executable, "-c", THREADS], stdout=subprocess.PIPE, timeout=60, check=True
    )
    increases = [int(text) for text in done.stdout.split()]
    assert len(increases) == 8
    assert min(increases[1:]) > 14_000_000  # the first one frees what the process had kept before
