"""What the executions before the first round decide, and what they leave when they end early."""

from __future__ import annotations

import pytest
from unit.virtual import Lab, speedup

from pytest_pipeline.model.finding import Reason, Verdict


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
