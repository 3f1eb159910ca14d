"""Real time, real executors: clear cases get the right answer in few rounds.

The plans wait instead of computing, so that a shared machine hardly touches them; the full
experiment (neighbours, computing plans, hundreds of runs) is `make calibration`.
"""

from __future__ import annotations

import threading
import time

import pytest

from pytest_pipeline import Requirement, Stage, compare
from pytest_pipeline.model.finding import Reason, Verdict
from pytest_pipeline.model.requirement import Quantity
from pytest_pipeline.model.rounds import Phase

pytestmark = [pytest.mark.realtime, pytest.mark.slow]


def fetch(item: int) -> int:
    time.sleep(0.001)
    return item


def parse(item: int) -> int:
    time.sleep(0.002)
    return item * 2


def store(item: int) -> int:
    time.sleep(0.001)
    return item - 1


ONE_AT_A_TIME = threading.Lock()


def locked_parse(item: int) -> int:
    with ONE_AT_A_TIME:
        return parse(item)


def sometimes_slow(item: int) -> int:
    time.sleep(0.040 if item % 20 == 7 else 0.002)
    return item


def speedup(limit: float) -> Requirement:
    return Requirement(Quantity.SPEEDUP, limit)


def bet_on(result) -> int:
    return sum(each.phase is not Phase.WARM_UP for each in result.rounds)


def test_a_clear_speedup_is_met_in_about_five_rounds():
    result = compare([fetch, parse, store], range(30), requirements=[speedup(1.6)])
    assert [finding.verdict for finding in result.findings] == [Verdict.MET]
    assert bet_on(result) <= 15


@pytest.mark.parametrize(
    "stages",
    [
        pytest.param([fetch, Stage(locked_parse, workers=2), store], id="a lock around the stage"),
        pytest.param([fetch, Stage(parse, workers=1), store], id="one worker instead of two"),
    ],
)
def test_a_clear_regression_is_missed_in_about_fifteen_rounds(stages):
    result = compare(stages, range(30), requirements=[speedup(2.8)])
    (finding,) = result.findings
    assert finding.verdict is Verdict.MISSED
    assert finding.clean_rounds + finding.dirty_rounds <= 25


def test_the_same_plan_with_two_workers_is_met():
    stages = [fetch, Stage(parse, workers=2), store]
    result = compare(stages, range(30), requirements=[speedup(2.8)])
    assert [finding.verdict for finding in result.findings] == [Verdict.MET]


def test_five_percent_slow_items_miss_their_p99():
    requirement = Requirement(Quantity.P99_LATENCY, 0.025, rate_per_s=120)
    result = compare([fetch, sometimes_slow], range(60), requirements=[requirement], budget_s=12)
    (finding,) = result.findings
    if finding.reason is Reason.BUSY:
        pytest.skip(f"this machine is too busy to judge a latency: {finding.text}")
    assert finding.verdict is Verdict.MISSED
    assert "'sometimes_slow'" in finding.text


def test_processes_beat_the_serial_loop_on_waiting_stages():
    result = compare(
        [fetch, parse, store], range(30), executors=["processes"], requirements=[speedup(1.3)]
    )
    assert [finding.verdict for finding in result.findings] == [Verdict.MET]
