"""What failing looks like: `pytest -m regression`. Every test in this file must FAIL."""

import threading
import time

import numpy as np
import pytest
from warehouse.sensors import MEAN, SCALE, Batch, batches, generate, preprocess

from pytest_pipeline import Stage

pytestmark = pytest.mark.regression


def healthy(number: int) -> int:
    """Look something up: 4 ms."""
    time.sleep(0.004)
    return number


def slow_for_one_in_twenty(number: int) -> int:
    """Look something up: 4 ms, but 40 ms for 5 % of the items."""
    time.sleep(0.040 if number % 20 == 7 else 0.004)
    return number


@pytest.mark.speedup(min=3.0)
def test_a_lock_around_a_stage(pipeline) -> None:
    lock = threading.Lock()

    def locked(batch: Batch) -> int:
        with lock:
            return len(generate(batch))

    pipeline.run([Stage(locked, workers=4)], batches(12_000, count=12))


@pytest.mark.speedup(min=2.2)
def test_one_worker_instead_of_two(pipeline) -> None:
    pipeline.run([generate, Stage(preprocess, workers=1)], batches(12_000, count=12))


@pytest.mark.measure(budget="15s")
@pytest.mark.p99_latency(max="20ms", rate=80)
def test_a_stage_ten_times_slower_for_five_per_cent(pipeline) -> None:
    pipeline.run([healthy, Stage(slow_for_one_in_twenty, workers=2)], list(range(100)))


@pytest.mark.speedup(min=1.5)
def test_an_output_that_differs(pipeline) -> None:
    seen: list[float] = []

    def running_mean(number: int) -> float:
        seen.append(healthy(number))
        return float(np.mean(seen))

    pipeline.run([healthy, running_mean], list(range(30)))


@pytest.mark.speedup(min=1.5)
def test_an_item_modified_in_place(pipeline) -> None:
    random = np.random.default_rng(7)
    readings = [random.normal(MEAN, SCALE, size=(100, len(MEAN))) for _ in range(30)]

    def clip(values: np.ndarray) -> np.ndarray:
        return np.clip(values, MEAN - 2 * SCALE, MEAN + 2 * SCALE, out=values)

    def scale(values: np.ndarray) -> np.ndarray:
        time.sleep(0.004)
        return values / SCALE

    pipeline.run([clip, scale], readings)
