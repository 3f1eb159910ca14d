"""Overlap on real threads, beside twins of the same plan that lost their concurrency.

Safe on any machine: barriers make the healthy order of events certain, and no clock is asked.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading

import pytest

from pytest_pipeline.comparing import compare
from pytest_pipeline.executors.serial import Serial
from pytest_pipeline.executors.threads import Threads
from pytest_pipeline.measure.items import make_source
from pytest_pipeline.model.finding import Reason, Verdict
from pytest_pipeline.model.plan import Stage, make_plan
from pytest_pipeline.model.requirement import Quantity, Requirement
from pytest_pipeline.testing import FakeMachine, VirtualExecutor

WATCHDOG_S = 30


class Twin:
    """An executor that claims the declared workers and opens something else."""

    name = "threads"

    def __init__(self, really, width=None):
        self._really = really
        self._width = width

    def workers(self, plan):
        return plan.total_workers

    def unavailable(self):
        return None

    def open(self, plan):
        if self._width is None:
            return self._really.open(plan)
        stages = tuple(dataclasses.replace(each, workers=self._width) for each in plan.stages)
        return self._really.open(dataclasses.replace(plan, stages=stages))


def meeting(parties, inside=None):
    """Return a stage function in which `parties` workers meet before each goes on."""
    barrier = threading.Barrier(parties)

    def work(item):
        barrier.wait(WATCHDOG_S)
        with inside or contextlib.nullcontext():
            return item

    return work


def judged(fn, *, workers, limit, arm, items=tuple(range(40))):
    machine = FakeMachine()

    def work(item):
        if threading.current_thread() is threading.main_thread():  # the baseline, on virtual time
            machine.work(0.01)
            return item
        return fn(item)

    result = compare(
        [Stage(work, workers=workers)],
        items if callable(items) else list(items),
        baseline=VirtualExecutor("serial", machine, overlaps=False),
        executors=[arm],
        requirements=[Requirement(Quantity.OVERLAP, limit)],
        machine=machine,
    )
    return result.findings[0]


def test_ten_workers_that_meet_in_every_item_have_ten_in_service():
    finding = judged(meeting(10), workers=10, limit=10.0, arm=Threads())
    assert finding.verdict is Verdict.MET
    assert finding.estimate.value == 10.0


def test_ten_workers_that_became_two_miss_it():
    finding = judged(meeting(2), workers=10, limit=8.0, arm=Twin(Threads(), width=2))
    assert finding.verdict is Verdict.MISSED
    assert finding.headline.startswith("overlap 2.00 items < 8.00 items (threads; ")
    assert "has 10 workers, at most 2 of its visits" in finding.text


def test_a_serial_loop_under_the_same_name_misses_even_a_small_overlap():
    finding = judged(lambda item: item, workers=4, limit=1.2, arm=Twin(Serial()))
    assert finding.verdict is Verdict.MISSED
    assert finding.headline.startswith("overlap 1.00 items < 1.20 items (threads; ")


@pytest.mark.parametrize("inside", [None, threading.Lock()], ids=["free", "behind a lock"])
def test_it_cannot_see_a_lock_inside_a_stage(inside):
    finding = judged(meeting(4, inside), workers=4, limit=4.0, arm=Threads())
    assert finding.verdict is Verdict.MET


@pytest.mark.parametrize(("limit", "is_possible"), [(2.0, True), (2.5, False)])
def test_an_item_that_the_source_is_making_is_in_service_too(limit, is_possible):
    finding = judged(
        lambda item: item, workers=1, limit=limit, arm=Threads(), items=lambda: iter(range(40))
    )
    assert (finding.reason is not Reason.UNREACHABLE) is is_possible
    never = "it asks 2.50 items, this plan has 1 worker slot and the source"
    assert (never in finding.text) is not is_possible


@pytest.mark.parametrize("workers", [2, 5, 16, 40])
@pytest.mark.parametrize("layout", ["staged", "shared"])
def test_every_worker_of_the_first_stage_gets_an_item_at_the_same_time(workers, layout):
    work = meeting(workers)
    running = Threads(layout=layout).open(make_plan([Stage(work, workers=workers)]))
    try:
        trace = running.run(make_source(list(range(3 * workers))))
    finally:
        running.close()
    assert trace.outputs == list(range(3 * workers))


def outputs_of(stages, items, arm):
    running = arm.open(make_plan(stages))
    try:
        return running.run(make_source(items)).outputs
    finally:
        running.close()


@pytest.mark.parametrize(("workers", "queue_size"), [(2, 1), (5, 16), (40, 16)])
@pytest.mark.parametrize("is_callable", [False, True], ids=["list", "callable"])
def test_every_worker_of_a_later_stage_gets_an_item_at_the_same_time(
    workers, queue_size, is_callable
):
    numbers = list(range(3 * workers))
    stages = [
        Stage(lambda x: x, queue_size=queue_size),
        Stage(meeting(workers), workers=workers, queue_size=queue_size),
    ]
    items = (lambda: iter(numbers)) if is_callable else numbers
    assert outputs_of(stages, items, Threads()) == numbers


@pytest.mark.parametrize(("workers", "queue_size"), [(2, 1), (5, 16), (40, 16)])
@pytest.mark.parametrize("layout", ["staged", "shared"])
def test_every_worker_gets_an_item_of_a_callable_source_at_the_same_time(
    workers, queue_size, layout
):
    numbers = list(range(3 * workers))
    stages = [Stage(meeting(workers), workers=workers, queue_size=queue_size)]
    assert outputs_of(stages, lambda: iter(numbers), Threads(layout=layout)) == numbers


def test_the_workers_of_two_stages_are_all_busy_at_the_same_time():
    barrier = threading.Barrier(4 + 32)
    # Three of the first stage's workers stop at their first item; the fourth must feed the second
    # stage alone, from the credits that those three did not take.
    stay = {0, 1, 2, 35}

    def first(item):
        if item in stay:
            barrier.wait(WATCHDOG_S)
        return item

    def second(item):
        if item < 36 and item not in stay:
            barrier.wait(WATCHDOG_S)
        return item

    numbers = list(range(100))
    stages = [Stage(first, workers=4), Stage(second, workers=32)]
    assert outputs_of(stages, numbers, Threads()) == numbers
