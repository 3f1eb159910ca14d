"""A container with a CPU quota: what it lets through for a moment is not what it sustains."""

from __future__ import annotations

import pytest
from unit.virtual import Lab, speedup

from pytest_pipeline.measure.machine import Usage
from pytest_pipeline.model.comparison import Comparison
from pytest_pipeline.model.finding import Verdict


def measured(quota: float | None, *, cpu_share: float = 1.0, **options: float) -> Comparison:
    """A plan that reaches 1.95x, using what it reaches of the cores."""
    lab: Lab

    def usage(_: float) -> Usage:
        used_s = cpu_share * lab.machine.worked_s
        return Usage(own_cpu_s=used_s, machine_cpu_s=used_s, throttled=0)

    lab = Lab(cpu_share=cpu_share, usage=usage, quota=quota)
    return lab.compare(requirements=[speedup(1.5)], budget_s=60, **options)


def test_a_speedup_that_rests_on_saved_up_cpu_time_is_not_met():
    result = measured(1.0)
    (finding,) = result.findings
    assert finding.verdict is Verdict.INCONCLUSIVE
    (disturbance,) = {each.disturbance for each in result.rounds}
    assert disturbance == "quota: an arm used 1.95 cores, the quota of 1 sustains no more"


def test_a_plan_that_mostly_waits_is_not_met_on_saved_up_cpu_time_either():
    result = measured(0.25, cpu_share=0.2)
    assert result.findings[0].verdict is not Verdict.MET
    assert all(each.disturbance.startswith("quota: an arm used") for each in result.rounds)


def test_a_quota_that_sustains_the_speedup_lets_it_be_met():
    (finding,) = measured(2.0).findings
    assert finding.verdict is Verdict.MET


@pytest.mark.parametrize(("quota", "are_long"), [(2.0, True), (3.0, False), (None, False)])
def test_arms_are_half_a_second_long_where_more_workers_than_the_quota_has_cores_may_outrun_it(
    quota: float | None, are_long: bool
):
    result = measured(quota)
    shortest_s = min(result.rounds[-1].makespans_s["threads"])
    assert (result.repeats * shortest_s >= 0.5) is are_long
