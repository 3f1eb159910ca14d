"""Without the GIL threads really scale: real stages, real clocks, so it is here and not elsewhere."""

from __future__ import annotations

import sys
import time

import pytest

from pytest_pipeline import Stage
from pytest_pipeline.cores import usable_cores
from pytest_pipeline.executors.processes import Processes
from pytest_pipeline.executors.serial import Serial
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
ROUNDS = 40
"""The best of so many: beside other work one of fifteen was not quiet for every arm."""
ITEMS = list(range(16))


def count(item: int) -> int:
    total = 0
    for number in range(150_000):
        total += number ^ item
    return total


@pytest.mark.parametrize("layout", ["staged", "shared"])
def test_two_threads_do_what_two_processes_do(layout):
    """Pure Python that takes all the CPU. Processes are the control: they say what the machine gives."""
    threads = Threads(layout=layout)
    best = dict.fromkeys(("serial", "threads", "processes"), float("inf"))
    plans = {"serial": make_plan([count]), "processes": make_plan([count])}
    plans["threads"] = make_plan([Stage(count, workers=2)])
    executors = {"serial": Serial(), "threads": threads, "processes": Processes(workers=2)}
    running = {name: executor.open(plans[name]) for name, executor in executors.items()}
    outputs = {}
    try:
        for _ in range(ROUNDS):
            for name, each in running.items():
                before = time.perf_counter()
                outputs[name] = each.run(make_source(ITEMS)).outputs
                best[name] = min(best[name], time.perf_counter() - before)
    finally:
        for each in running.values():
            each.close()
    assert outputs["threads"] == outputs["serial"]
    given = best["serial"] / best["processes"]
    if given < 1.7:
        pytest.skip(
            f"two processes reached {given:.2f}x: this machine has no second core to give now"
        )
    assert best["serial"] / best["threads"] > 0.75 * given
