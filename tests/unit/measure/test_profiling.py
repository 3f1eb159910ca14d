"""The profile execution's sampler on scripted gauges: bounded, evenly spread, and nothing left running."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from pytest_pipeline.clock import FakeClock
from pytest_pipeline.measure.system.gauges import SystemGauges
from pytest_pipeline.measure.system.profiling import MOST_SAMPLES, Profiling, Thinned, _Readings


class Scripted:
    """Gauges on virtual time: core 0 is always busy, core 2 never; memory grows a byte per millisecond."""

    def __init__(self, clock, switches=((10, 1), (25, 4))):
        self._clock = clock
        self._switches = iter(switches)
        self.was_read = threading.Semaphore(0)

    def now_s(self):
        return self._clock.now_ns() / 1e9

    def memory(self):
        self.was_read.release()
        return round(self.now_s() * 1000), {11: 3, 12: 4, 99: 1000}

    def alive(self):
        """The two workers have gone with their arm; somebody else's child has not."""
        return frozenset({99})

    def core_seconds(self):
        return {0: self.now_s(), 2: 3.0}

    def cpu_s(self):
        return 2 * self.now_s()

    def switches(self):
        return next(self._switches)


def profile(seconds, *, reads=3, **options):
    """Profile an execution of `seconds` virtual ones, after each of which `reads` samples were taken."""
    clock = FakeClock()
    gauges = Scripted(clock, **options)

    def execute():
        for _ in range(4):
            clock.advance(seconds / 4)
            for _ in range(reads):
                assert gauges.was_read.acquire(timeout=30)
        return "outputs"

    result, used = Profiling(gauges, clock)(execute, 0.1)
    assert result == "outputs"
    return used()


def test_cores_and_memory_are_told_apart_on_one_time_axis():
    used = profile(2.0)
    assert used.seconds == pytest.approx(2.0)
    assert used.at_s[0] == 0.0
    assert used.at_s[-1] == pytest.approx(2.0)
    assert list(used.at_s) == sorted(used.at_s)
    assert len(used.at_s) == len(used.own_bytes) == len(used.children_bytes)
    assert (used.own_bytes[0], used.own_bytes[-1], used.peak_bytes) == (0, 2000, 2007)
    assert set(used.children_bytes) == {7}
    assert used.until_s[-1] == pytest.approx(2.0)
    assert {each.core: set(each.busy) for each in used.cores} == {0: {1.0}, 2: {0.0}}
    assert used.cpu_s == pytest.approx(4.0)


def test_context_switches_are_the_increase_and_never_negative():
    assert profile(1.0).voluntary_switches == 15
    assert profile(1.0).involuntary_switches == 3
    assert profile(1.0, switches=((10, 4), (8, 9))).voluntary_switches == 0
    assert profile(1.0, switches=(None, (8, 9))).voluntary_switches is None


def test_an_execution_far_longer_than_expected_keeps_a_bounded_number_of_samples():
    clock = FakeClock()
    readings = _Readings(Scripted(clock), clock, expected_s=0.1)
    for _ in range(100_000):
        clock.advance(0.2)
        readings.take()
    assert MOST_SAMPLES / 2 <= len(readings.memory.rows) <= MOST_SAMPLES
    assert MOST_SAMPLES / 2 <= len(readings.cores.rows) <= MOST_SAMPLES
    times = [row[0] for row in readings.memory.rows]
    gaps = {round(after - before, 3) for before, after in zip(times, times[1:], strict=False)}
    assert len(gaps) == 1


def test_what_is_thinned_stays_even_and_keeps_the_first():
    rows = Thinned[int](4)
    for number in range(21):
        rows.add(number)
    assert rows.rows == [0, 8, 16]


def test_an_execution_that_raises_leaves_no_thread_behind():
    clock = FakeClock()

    def execute():
        raise ValueError("stage")

    with pytest.raises(ValueError, match="stage"):
        Profiling(Scripted(clock), clock)(execute, 1.0)
    assert not [each for each in threading.enumerate() if each.name == "pipeline-resources"]


def test_a_span_too_short_for_the_kernels_ticks_joins_the_one_before():
    used = profile(0.06)
    assert len(used.until_s) == 1
    assert used.until_s[0] == pytest.approx(0.06)


# --- the real gauges, without any speed


def test_a_workers_memory_and_switches_are_counted_apart_from_ours():
    gauges = SystemGauges()
    code = "block = bytearray(b'x' * 60_000_000); print('up', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout.readline() == "up\n"
        own, children = gauges.memory()
        assert child.pid in gauges.alive()
        child.communicate("\n")
    assert children[child.pid] > 60_000_000
    assert own > 1_000_000
    assert child.pid not in gauges.alive()


def test_every_usable_core_is_read():
    cores = SystemGauges().core_seconds()
    assert all(seconds > 0 for seconds in cores.values())
    if hasattr(os, "sched_getaffinity"):
        assert set(cores) == os.sched_getaffinity(0)


def test_a_sandbox_that_hides_cores_and_memory_breaks_no_measurement(monkeypatch):
    def hidden(*_, **__):
        raise FileNotFoundError("/proc/stat")

    monkeypatch.setattr("psutil.cpu_times", hidden)
    monkeypatch.setattr("pytest_pipeline.measure.system.gauges.resident_bytes", hidden)
    result, used = Profiling(SystemGauges(), FakeClock())(lambda: "outputs", 0.1)
    assert result == "outputs"
    assert used().cores == ()
    assert used().peak_bytes == 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux counts per thread")
def test_a_thread_that_waits_for_another_gives_up_its_core():
    gauges = SystemGauges()
    ball, back = threading.Semaphore(0), threading.Semaphore(0)

    def play():
        for _ in range(20):
            ball.acquire(timeout=30)
            back.release()

    thread = threading.Thread(target=play)
    thread.start()
    before, _ = gauges.switches()
    for _ in range(19):
        ball.release()
        assert back.acquire(timeout=30)
    after, _ = gauges.switches()
    ball.release()
    thread.join()
    assert after > before
