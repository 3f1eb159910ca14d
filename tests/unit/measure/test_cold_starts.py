"""Start-up counts as part of the time of a cold gate: what guards it, and what it leaves to warm gates."""

from __future__ import annotations

from unit.virtual import Lab, speedup

from pytest_pipeline.model.finding import Reason, Verdict
from pytest_pipeline.model.plan import Plan
from pytest_pipeline.testing import VirtualExecutor, VirtualRunning


class Threads(VirtualExecutor):
    """Counts executions and controls since its workers were started."""

    since_open = 0
    controls = 0
    slow_start_s = 0.0

    def open(self, plan: Plan) -> VirtualRunning:
        self.startup_s = self.slow_start_s if self.opened else 0.0
        self.since_open = self.controls = 0
        return super().open(plan)


def test_a_neighbour_that_is_there_only_during_start_up_makes_a_cold_gate_busy_not_missed():
    lab = Lab(cpu_share=1.0)
    threads = Threads("threads", lab.machine, cpu_share=1.0)
    threads.slow_start_s = 0.5

    def neighbour(_: float) -> float:
        threads.controls += 1
        return 1.8 if threads.opened > 1 and threads.controls > 2 else 1.0

    lab.machine._neighbour = neighbour
    (finding,) = lab.compare(
        requirements=[speedup(1.5, cold=True)], candidates=[threads], budget_s=8
    ).findings
    assert (finding.verdict, finding.reason) == (Verdict.INCONCLUSIVE, Reason.BUSY)
    assert "beside the start-up" in finding.text


def test_a_warm_gate_beside_a_cold_one_sees_no_worker_in_its_first_execution():
    lab = Lab()
    threads = Threads("threads", lab.machine)

    def slowdown(_: int) -> float:
        threads.since_open += 1
        return 3.0 if threads.since_open == 1 else 1.0

    threads.slowdown = slowdown
    stages = [lab.stage("fetch", 0.005), lab.stage("parse", 0.01), lab.stage("store", 0.005)]
    warm, cold = lab.compare(
        stages, requirements=[speedup(1.5), speedup(1.5, cold=True)], candidates=[threads]
    ).findings
    assert (warm.verdict, cold.verdict) == (Verdict.MET, Verdict.MET)


def test_a_quiet_machine_decides_a_cold_gate():
    lab = Lab(cpu_share=1.0)
    lab.threads.startup_s = 0.5
    (finding,) = lab.compare(requirements=[speedup(1.5, cold=True)]).findings
    assert finding.verdict is Verdict.MISSED
