"""Waiting for a quiet moment, and finding out whether the code under test itself is the disturbance."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import fmean

from pytest_pipeline.measure.control import ControlMonitor
from pytest_pipeline.measure.trial import Trial
from pytest_pipeline.measure.usage import COMPANY, UsageWatch

PATIENCE = 8
"""Times that a machine without a valid reference is asked again before it is called too small."""

QUIET_S = 1.0
"""Seconds without user code before the control is asked again."""

LEAST_PAUSE = 0.7
"""Shortest silence between stages and control, as a share of `QUIET_S`."""

LONGEST_PAUSE = 1.5
"""Longest one. Silences differ, so that a neighbour with a period cannot keep in step with them."""

CONTROLS = 5
"""Control runs right after the stages, and again after the silence."""

LEAST_QUEUE = 0.05
"""Run-queue wait of our threads below which nothing competed for their cores: one core shared half of the time is a tenth or more."""

LEAST_SURPLUS = 0.25
"""Cores beyond those of the control that we would have to use to slow it down from a core of our own (hyperthreads)."""

SHARE = 1 / 16
"""Of the probability of a false miss, what these checks may add to it."""

CHANCE = 1 / 4
"""Largest chance that a neighbour is slow after stages and quiet after the silence: p (1 - p)."""


def wait_for_quiet(trial: Trial, monitor: ControlMonitor) -> None:
    """Give a passing neighbour some time while the reference is not valid."""
    wait_until(trial, monitor, lambda: monitor.reference.is_valid)


def wait_until(trial: Trial, monitor: ControlMonitor, is_enough: Callable[[], bool]) -> None:
    """Ask the machine again, a second apart and a few times at most, until what it shows `is_enough`.

    While others are seen to keep a core nothing is asked but the last time: that would take as long again.
    """
    for left in reversed(range(PATIENCE)):
        if is_enough():
            return
        trial.progress("waiting for a quiet moment: the machine is shared or busy")
        watch = UsageWatch(trial.machine)
        trial.machine.clock.sleep(QUIET_S)
        watch.stop()
        if left == 0 or not watch.had_company:
            monitor.recheck()


def quiet_checks(missed: float) -> int:
    """Return the alternations that a neighbour passes with probability `missed` at most: 5 at 0.001.

    One that knows nothing of our stages is slow after them and quiet after the silence with
    probability p (1 - p), p its share of the time: at most 1/4.
    """
    return math.ceil(math.log(missed) / math.log(CHANCE))


@dataclass(slots=True)
class Beside:
    """Who ran beside the control right after stages, summed over the alternations: one of them is too short for ticks of 10 ms."""

    width: int
    """Cores that the control keeps busy."""
    seconds: float = 0.0
    """How long it ran."""
    others_s: float = 0.0
    """CPU seconds of others meanwhile."""
    own_s: float = 0.0
    """Those of this process and its children, the control included."""
    queues: list[float] = field(default_factory=list)
    """Run-queue wait / (run-queue wait + CPU time) of our threads, 0-1; empty where unreadable."""

    def add(self, watch: UsageWatch) -> None:
        """Take what was seen beside a few controls."""
        self.seconds += watch.seconds
        self.others_s += watch.others_s or 0.0
        self.own_s += watch.own_cpu_s
        queue = watch.evidence.queue_share
        self.queues += [] if queue is None else [queue]

    @property
    def is_company(self) -> bool:
        """Whether others kept half a core."""
        return self.others_s >= COMPANY * self.seconds

    @property
    def is_nobody(self) -> bool:
        """Whether the counters show that not even we kept the control waiting: then the clock sank under load."""
        surplus_s = self.own_s - self.width * self.seconds
        is_queueless = bool(self.queues) and fmean(self.queues) < LEAST_QUEUE
        return is_queueless and surplus_s < LEAST_SURPLUS * self.seconds


def is_self_disturbed(trial: Trial, monitor: ControlMonitor, clean_factor: float) -> bool:
    """Whether the control is slow right after stages and clean after silence, every time (A9.7).

    False for a quota, where others are seen to keep half a core after the stages, where nobody does (the clock sinks
    under load), and for whatever else disturbs without slowing the control down. Wrong with probability `SHARE` of
    `trial.errors.missed` at most, on top of that.
    """
    pauses = random.Random(trial.machine.draw_seed())  # noqa: S311 - pauses, not secrets
    limit_s = clean_factor * monitor.reference.parallel_s
    beside = Beside(monitor.control.width)

    def stages_disturb() -> bool:
        for lane in trial.lanes:
            lane.timed_execution(trial.source)
        watch = UsageWatch(trial.machine)
        after = [monitor.sample_s() for _ in range(CONTROLS)]
        watch.stop()
        beside.add(watch)
        if min(after) <= limit_s:
            return False
        trial.machine.clock.sleep(QUIET_S * pauses.uniform(LEAST_PAUSE, LONGEST_PAUSE))
        monitor.wake()
        return max(monitor.sample_s() for _ in range(CONTROLS)) <= limit_s

    checks = quiet_checks(SHARE * trial.errors.missed)
    is_ours = all(stages_disturb() for _ in range(checks))
    return is_ours and not (beside.is_company or beside.is_nobody)
