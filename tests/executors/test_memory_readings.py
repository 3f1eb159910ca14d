"""The memory of every executor, read for real: outputs that are held at the end cannot be missed."""

import gc
import subprocess
import sys
from statistics import median

import pytest

from pytest_pipeline.clock import MonotonicClock
from pytest_pipeline.measure.system.footprint import Footprint
from pytest_pipeline.measure.system.gauges import SystemGauges
from pytest_pipeline.measure.system.heap import hidden_memory, returning_heap
from pytest_pipeline.measure.system.profiling import Profiling
from pytest_pipeline.measure.system.sampler import Sampling

MB = 10**6


def typical_increase(read):
    """Return the median increase of three readings: libraries count less, or more, once another test's process maps them, too."""
    readings = [reading for _, reading in (read() for _ in range(3))]
    assert all(reading.samples >= 1 for reading in readings)
    return median(reading.increase_bytes for reading in readings)


@pytest.mark.skipif(bool(hidden_memory()), reason="never met here: the heap keeps freed memory")
def test_what_an_execution_holds_at_its_end_is_counted_in_parent_and_workers(
    executor, opened, source
):
    running = opened(executor, [lambda x: b"x" * (20 * MB)])
    sample = Sampling(Footprint(), MonotonicClock())
    with returning_heap():
        running.run(source([1]))
        gc.collect()  # garbage of other tests must not go while this one's memory is read
        increase = typical_increase(lambda: sample(lambda: running.run(source([1, 2, 3]))))
    assert 50 * MB < increase < 200 * MB  # one output fewer would be 40 MB


def test_an_execution_that_keeps_nothing_adds_little(executor, opened, source):
    running = opened(executor, [lambda x: x + 1])
    sample = Sampling(Footprint(), MonotonicClock())
    running.run(source([1]))
    increase = typical_increase(lambda: sample(lambda: running.run(source(list(range(10))))))
    assert increase < 20 * MB


def test_only_an_arms_own_workers_count_as_its_children_in_the_report(executor, opened, source):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as bystander:
        running = opened(executor, [lambda x: x + 1])
        profile = Profiling(SystemGauges(), MonotonicClock())
        _, used = profile(lambda: running.run(source([1, 2, 3])), 0.1)
        running.close()
        children = used().children_bytes
        bystander.communicate(b"\n")
    assert len(children) >= 2
    assert (max(children) > 0) is executor.name.startswith("processes")
