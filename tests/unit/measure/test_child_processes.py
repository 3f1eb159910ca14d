"""CPU time of programs that stages start belongs to the plan."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace

import pytest
from unit.virtual import Lab, speedup

from pytest_pipeline import Processes
from pytest_pipeline.measure.items import make_source
from pytest_pipeline.measure.machine import Usage
from pytest_pipeline.measure.system import host
from pytest_pipeline.model.finding import Reason, Verdict
from pytest_pipeline.model.plan import Plan, Source, make_plan
from pytest_pipeline.model.trace import Trace
from pytest_pipeline.testing import VirtualExecutor, VirtualRunning

WORKER = """
import subprocess, sys
burn = "import time\\nwhile time.process_time() < 0.2: pass"
subprocess.run([sys.executable, "-c", burn], check=True)
print("done", flush=True)
input()
"""


class WithoutCpuTimes(VirtualExecutor):
    """A serial loop whose ledger knows no CPU time."""

    def open(self, plan: Plan) -> VirtualRunning:
        return _Silent(self, plan)


class _Silent(VirtualRunning):
    def run(self, source: Source) -> Trace:
        trace = super().run(source)
        rows = tuple(replace(row, cpu_s=0.0) for row in trace.ledger.rows)
        return replace(trace, ledger=replace(trace.ledger, rows=rows))


def programs_compute(now_s: float) -> Usage:
    """Counters of a process whose children keep one core busy all the time."""
    return Usage(own_cpu_s=now_s, machine_cpu_s=now_s, throttled=0, children_cpu_s=now_s)


def test_on_one_core_a_plan_that_computes_in_other_programs_lacks_capacity():
    lab = Lab(cpu_share=0.0, cores=1.0, usage=programs_compute)
    lab.threads.slowdown = lambda _: 1.9
    (finding,) = lab.compare(requirements=[speedup(1.5)]).findings
    assert (finding.verdict, finding.reason) == (Verdict.INCONCLUSIVE, Reason.CAPACITY)


def test_a_plan_whose_cpu_time_cannot_be_read_counts_as_one_that_computes():
    lab = Lab(cores=1.0)
    lab.serial = WithoutCpuTimes("serial", lab.machine, overlaps=False)
    (finding,) = lab.compare(items=range(20), requirements=[speedup(1.5)]).findings
    assert finding.reason is Reason.CAPACITY


@pytest.mark.skipif(sys.platform == "win32", reason="Windows forgets programs that have ended")
def test_programs_that_a_living_worker_process_ran_are_ours():
    before_s = host.children_cpu_s()
    with subprocess.Popen(
        [sys.executable, "-c", WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        assert worker.stdout.readline().strip() == b"done"
        used_s = host.children_cpu_s() - before_s
        worker.stdin.write(b"\n")
    assert used_s >= 0.15


def burn(seconds: float) -> float:
    end_s = time.process_time() + seconds
    while time.process_time() < end_s:
        pass
    return seconds


def run_program(seconds: float) -> float:
    subprocess.run(
        [sys.executable, "-c", WORKER], input=b"\n", stdout=subprocess.DEVNULL, check=True
    )
    return seconds


@pytest.mark.parametrize(("stage", "are_workers"), [(burn, True), (run_program, False)])
def test_the_time_of_worker_processes_is_told_from_that_of_what_they_started(stage, are_workers):
    running = Processes(workers=1).open(make_plan([stage]))
    try:
        before_s = host.workers_cpu_s()
        running.run(make_source([0.3]))
        used_s = host.workers_cpu_s() - before_s
    finally:
        running.close()
    assert (used_s >= 0.2) is are_workers
    assert host.workers_cpu_s() == 0.0
