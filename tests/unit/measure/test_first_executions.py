"""What the executions before the first round decide, and what they leave when they end early."""

from __future__ import annotations

import asyncio
import functools
import os
import random
import subprocess
import sys
import time

import pytest
import threadpoolctl
from unit.virtual import Lab, speedup

from pytest_pipeline.clock import MonotonicClock
from pytest_pipeline.comparing import compare
from pytest_pipeline.errors import UsageError
from pytest_pipeline.model.finding import Reason, Verdict
from pytest_pipeline.model.plan import Stage


def test_a_baseline_that_is_different_every_time_is_said_to_differ_and_not_to_raise():
    lab = Lab()
    runs = iter(range(10_000))

    def draw(item: int) -> int:
        lab.machine.work(0.001)
        return item if lab.serial.executions < 1 or lab.machine.running != "serial" else next(runs)

    (finding,) = lab.compare([draw], range(100, 120), requirements=[speedup(1.5)]).findings
    assert (finding.verdict, finding.reason) == (Verdict.INVALID, Reason.OUTPUTS_DIFFER)
    assert finding.executor == "serial"
    assert finding.cause.endswith("on the same items twice and gave other outputs")
    assert finding.next_step.startswith("seed what is random in the stages")


def test_ctrl_c_in_the_first_execution_of_an_arm_keeps_what_the_baseline_showed():
    lab = Lab()

    def interrupted(item: int) -> int:
        lab.machine.work(0.001)
        if lab.machine.running == "threads":
            raise KeyboardInterrupt
        return item

    with pytest.raises(KeyboardInterrupt):
        lab.compare([interrupted], requirements=[speedup(1.5)])
    assert lab.partial is not None
    assert lab.partial["serial"].trace is not None


def test_workers_that_are_slow_only_in_their_first_execution_do_not_shorten_the_rounds():
    lab = Lab()
    lab.threads.slowdown = lambda execution: 60.0 if execution == 0 else 1.0
    short = [lab.stage("parse", 0.001)]
    assert lab.compare(short, range(20)).repeats == 5


def test_random_stages_are_not_blamed_on_the_arm_that_came_second():
    lab, draw = Lab(), random.Random(3)
    stages = [lab.stage("load", 0.001), Stage(lambda item: item + draw.random(), name="jitter")]
    (finding,) = lab.compare(stages, requirements=[speedup(1.1)]).findings
    assert finding.reason is Reason.OUTPUTS_DIFFER
    assert finding.cause.startswith("serial itself gave other outputs")
    assert "outputs differ from stage 'jitter' on" in finding.cause
    assert finding.next_step.startswith("seed what is random in the stages and in the items")


def threads_of_pools(_):
    return max(int(pool["num_threads"]) for pool in threadpoolctl.threadpool_info())


def test_pools_have_one_thread_from_the_first_execution_on():
    with threadpoolctl.threadpool_limits(2):
        outputs = Lab().compare([threads_of_pools], range(3), mode="off").outputs
        assert {*outputs} == {1}
        assert threads_of_pools(0) == 2


@pytest.mark.parametrize("before", [None, "7"])
def test_libraries_that_a_stage_imports_are_told_to_use_one_thread_and_only_while_measuring(
    monkeypatch, before
):
    if before is None:
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    else:
        monkeypatch.setenv("OMP_NUM_THREADS", before)
    asked = Lab().compare([lambda _: os.environ["OMP_NUM_THREADS"]], range(2), mode="off").outputs
    assert asked == ["1", "1"]
    assert os.environ.get("OMP_NUM_THREADS") == before


LATER = """
import threadpoolctl
from pytest_pipeline.measure.instruments import PoolCaps

def counts():
    return {pool["num_threads"] for pool in threadpoolctl.threadpool_info() if "scipy" in pool["filepath"]}

with PoolCaps():
    import scipy.linalg
    inside = counts()
print(inside, counts())
"""


@pytest.mark.slow
def test_a_library_that_came_in_while_measuring_has_its_threads_afterwards(monkeypatch):
    pytest.importorskip("scipy")
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    run = subprocess.run([sys.executable, "-c", LATER], capture_output=True, text=True, check=True)
    assert run.stdout == "{1} {2}\n"


def test_outputs_that_are_not_equal_to_themselves_are_a_finding():
    class Never:
        def __eq__(self, other):
            return False

        __hash__ = None

    def check(expected, actual):
        assert expected == actual

    (finding,) = Lab().compare([lambda _: Never()], range(2), check=check).findings
    assert finding.reason is Reason.OUTPUTS_DIFFER


@pytest.mark.parametrize(
    "lazy", [lambda item: map(abs, item), lambda item: (abs(each) for each in item)]
)
def test_outputs_whose_work_is_still_before_them_are_refused_whatever_the_check(lazy):
    with pytest.raises(UsageError, match="whose work is still before it"):
        Lab().compare([Stage(lazy, name="last")], [[1], [2]], check=None)
    summed = Lab().compare([Stage(lazy, name="first"), sum], [[1, 2], [3]], mode="off")
    assert summed.outputs == [3, 3]


@pytest.mark.filterwarnings("error")
def test_a_function_that_only_returns_a_coroutine_is_refused_by_name():
    async def fetch(item):
        return item

    @functools.wraps(fetch)
    def retried(item):
        return fetch(item)

    with pytest.raises(UsageError, match="stage 'fetch' returned a coroutine"):
        Lab().compare([retried], check=None)
    assert Lab().compare([retried, asyncio.run], [1, 2], mode="off").outputs == [1, 2]


def test_a_clock_that_the_test_has_replaced_is_said_and_a_replaced_sleep_does_no_harm(monkeypatch):
    slept = []
    monkeypatch.setattr(time, "sleep", slept.append)
    MonotonicClock().sleep(0.0)
    assert slept == []
    monkeypatch.setattr(time, "perf_counter_ns", lambda: 0)
    with pytest.raises(UsageError, match="replaced in this test"):
        compare([abs], [1], executors=["threads"])
