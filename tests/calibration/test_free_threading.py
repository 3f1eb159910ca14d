"""Without the GIL threads really scale: real stages, real clocks, so it is here and not elsewhere.

The standard is `threading.Thread` with nothing around it, on the same work in the same rounds. A control of such
threads, before and after each round, says whether the machine gave two cores: rounds in which it did not are left
out without a look at what they show, and a machine that never gives them is no test of us.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import NamedTuple

import pytest

from pytest_pipeline import Stage
from pytest_pipeline.cores import usable_cores
from pytest_pipeline.executors.threads import Threads
from pytest_pipeline.measure.items import make_source
from pytest_pipeline.model.plan import make_plan

pytestmark = [
    pytest.mark.realtime,
    pytest.mark.skipif(
        getattr(sys, "_is_gil_enabled", lambda: True)(), reason="needs a build without the GIL"
    ),
    pytest.mark.skipif(usable_cores() < 2, reason="needs two cores"),
]
ITEMS = list(range(16))
WANTED_ROUNDS, MOST_S = 15, 45.0
LEAST_GIVEN = 1.3
"""Speedup of the control below which the machine has no second core to give."""
NEAR_BEST = 1.15
"""A control that takes this many times the best one was disturbed."""


def count(item: int) -> int:
    total = 0
    for number in range(150_000):
        total += number ^ item
    return total


def serial() -> None:
    for item in ITEMS:
        count(item)


def bare_threads() -> None:
    threads = [
        threading.Thread(target=lambda part=ITEMS[k::2]: [count(item) for item in part])
        for k in (0, 1)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Found(NamedTuple):
    """What the rounds showed in which the machine gave two cores."""

    rounds: int
    given: float
    """Best speedup of the control over all rounds."""
    speedup: float
    """Median serial / ours."""
    of_bare: float
    """Median bare threads / ours: 1 is as fast as they are, less is slower."""


def took(run: Callable[[], object]) -> float:
    before = time.perf_counter()
    run()
    return time.perf_counter() - before


def measure(layout: str, least_given: float = LEAST_GIVEN) -> Found:
    ours = Threads(layout=layout).open(make_plan([Stage(count, workers=2)]))
    arms = {"serial": serial, "bare": bare_threads, "ours": lambda: ours.run(make_source(ITEMS))}
    order, kept = random.Random(0), []
    try:
        assert ours.run(make_source(ITEMS)).outputs == [count(item) for item in ITEMS]
        best_s, fastest_s, before_s = float("inf"), float("inf"), took(bare_threads)
        ends = time.monotonic() + MOST_S
        while time.monotonic() < ends:
            round_s = {name: took(arms[name]) for name in order.sample(list(arms), len(arms))}
            after_s = took(bare_threads)
            kept.append((max(before_s, after_s), round_s))
            best_s, fastest_s = min(best_s, after_s), min(fastest_s, round_s["serial"])
            before_s = after_s
            clean = [each for control_s, each in kept if control_s <= NEAR_BEST * best_s]
            if len(clean) >= WANTED_ROUNDS and fastest_s / best_s > least_given:
                break
    finally:
        ours.close()
    return Found(
        len(clean),
        fastest_s / best_s,
        median(each["serial"] / each["ours"] for each in clean) if clean else 0.0,
        median(each["bare"] / each["ours"] for each in clean) if clean else 0.0,
    )


@pytest.mark.parametrize("layout", ["staged", "shared"])
def test_computing_stages_scale_as_bare_threads_do(layout):
    found = measure(layout)
    print(found)
    if found.given <= LEAST_GIVEN or found.rounds < WANTED_ROUNDS:
        pytest.skip(
            f"bare threads reached {found.given:.2f}x and two cores were there in {found.rounds} "
            f"rounds of {MOST_S:.0f} s: this machine has no second core to give now"
        )
    assert found.of_bare >= 0.9
    with_gil = measure_with_gil(layout)
    print(f"with the GIL {with_gil}")
    if with_gil.rounds < WANTED_ROUNDS:
        pytest.skip(
            f"with the GIL only {with_gil.rounds} rounds of {MOST_S:.0f} s were undisturbed"
        )
    assert with_gil.speedup < 1.15  # or the rounds would not tell threads that scale from others
    assert found.speedup > with_gil.speedup + 0.2


def measure_with_gil(layout: str) -> Found:
    """Measure in a process of its own in which the GIL is switched on."""
    code = f"import json, test_free_threading as t; print(json.dumps(t.measure({layout!r}, 0.0)))"
    folders = (str(Path(__file__).parent), str(Path(__file__).parents[2]))
    environ = {**os.environ, "PYTHON_GIL": "1", "PYTHONPATH": os.pathsep.join(folders)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True
    )
    return Found(*json.loads(done.stdout))
