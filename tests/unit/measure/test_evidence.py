"""What a user reads about a disturbed machine, from scripted counters."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from unit.virtual import Lab, speedup

from pytest_pipeline.judge.conclude import Circumstances, conclude
from pytest_pipeline.judge.evidence import summarise
from pytest_pipeline.judge.gate import Errors
from pytest_pipeline.judge.ladder import LadderGate
from pytest_pipeline.judge.readings import SpeedupReading
from pytest_pipeline.measure.machine import Usage
from pytest_pipeline.measure.system import pressure
from pytest_pipeline.measure.system.pressure import Counters, evidence_between, foreign_wait_s
from pytest_pipeline.model.evidence import Evidence
from pytest_pipeline.model.finding import Reason, Verdict
from pytest_pipeline.model.rounds import LatencyBlock

SECOND = 1_000_000_000


def busy_after(start_s: float):
    """Counters of a machine where, from `start_s`, our threads wait 1 s for every 2 s on a core."""

    def usage(now_s: float) -> Usage:
        since = max(0.0, now_s - start_s)
        counters = Counters(
            tasks={1: (int(now_s * SECOND), int(since * SECOND / 2))},
            steal_s=0.0,
            pressure_s={"cpu": 0.4 * since, "memory": 0.0, "io": 0.0},
        )
        return Usage(own_cpu_s=now_s, machine_cpu_s=now_s, throttled=0, counters=counters)

    return usage


def test_a_busy_finding_says_what_the_operating_system_saw():
    lab = Lab(cpu_share=1.0, neighbour=lambda now: 1.0 if now < 1.0 else 1.6, usage=busy_after(1.0))
    lab.threads.slowdown = lambda _: 1.0 if lab.machine.clock.now_ns() < SECOND else 1.9
    (finding,) = lab.compare(items=range(16), requirements=[speedup(1.7)], budget_s=8).findings
    assert finding.reason is Reason.BUSY
    (line,) = [text for text in finding.evidence if "disturbed from outside" in text]
    assert "workers waited 33 % of the time for a core (run queue" in line
    assert "steal 0 %, PSI cpu 40 %" in line
    assert "PSI io" not in line


def test_a_busy_finding_says_nothing_about_counters_that_cannot_be_read():
    lab = Lab(cpu_share=1.0, neighbour=lambda now: 1.0 if now < 1.0 else 1.6)
    (finding,) = lab.compare(items=range(16), requirements=[speedup(1.7)], budget_s=8).findings
    assert finding.reason is Reason.BUSY
    assert "run queue" not in finding.text
    assert "PSI" not in finding.text


def test_every_round_of_the_json_carries_its_evidence():
    lab = Lab(usage=busy_after(0.0))
    each = lab.compare(requirements=[speedup(1.5)]).to_dict()["rounds"][-1]
    assert each["evidence"]["queue_share"] == 0.3333
    assert each["evidence"]["cpu_pressure"] == 0.4


def test_evidence_never_decides_a_short_round():
    lab = Lab(usage=busy_after(0.0))
    result = lab.compare(requirements=[speedup(1.5)])
    assert result.findings[0].verdict is Verdict.MET
    assert all(each.is_clean for each in result.rounds)


def test_a_throttled_container_says_for_how_long_its_quota_stopped_it():
    dirty = LatencyBlock(
        executor="threads",
        rate_per_s=None,
        latencies_s=(),
        send_lag_p99_s=0.0,
        is_clean=False,
        disturbance="throttled: by the quota",
        evidence=Evidence(throttled_s=0.25),
    )
    reading = SpeedupReading("serial", "threads")
    gate = LadderGate(speedup(2.0), "threads", reading, errors=Errors())
    around = Circumstances(throttled=True, seen=summarise([dirty, dirty]))
    finding = conclude(gate, None, around)
    assert (finding.verdict, finding.reason) == (Verdict.INCONCLUSIVE, Reason.QUOTA)
    assert "throttled the measurement: the CPU quota stopped us for 0.50 s" in finding.text


def long_arms(lab: Lab):
    return [lab.stage("train", 0.2), lab.stage("score", 0.2)]


def waiting(share: float, *, in_container: bool):
    def usage(now_s: float) -> Usage:
        counters = Counters(tasks={1: (int(now_s * SECOND), int(now_s * share * SECOND))})
        return Usage(
            own_cpu_s=now_s,
            machine_cpu_s=now_s,
            throttled=0,
            counters=counters,
            in_container=in_container,
        )

    return usage


def test_in_a_container_long_arms_that_waited_for_a_core_are_disturbed_rounds():
    lab = Lab(cpu_share=1.0, usage=waiting(0.3, in_container=True))
    result = lab.compare(long_arms(lab), range(4), requirements=[speedup(1.2)], budget_s=60)
    assert "run-queue wait: 15 % of the usable cores" in result.rounds[-1].disturbance


def test_outside_a_container_the_run_queue_is_only_evidence():
    lab = Lab(cpu_share=1.0, usage=waiting(0.3, in_container=False))
    result = lab.compare(long_arms(lab), range(4), requirements=[speedup(1.2)], budget_s=60)
    assert all(each.is_clean for each in result.rounds)


def test_threads_that_wait_for_each_other_are_not_a_foreign_disturbance():
    idle = Counters(tasks={1: (0, 0)})
    four_threads_on_two_cores = Counters(tasks={1: (2 * SECOND, 2 * SECOND)})
    one_of_two_threads_displaced = Counters(tasks={1: (SECOND, SECOND)})
    assert foreign_wait_s(idle, four_threads_on_two_cores, core_seconds=2.0) == 0.0
    assert foreign_wait_s(idle, one_of_two_threads_displaced, core_seconds=2.0) == 1.0


def test_a_worker_that_ended_meanwhile_leaves_the_others_waits_readable():
    before = Counters(tasks={1: (0, 0), 2: (5 * SECOND, 5 * SECOND)})
    after = Counters(tasks={1: (3 * SECOND, SECOND)})
    assert evidence_between(before, after, 4.0, 2).queue_share == 0.25


def test_counters_that_cannot_be_read_are_none_and_no_error(tmp_path: Path):
    counters = pressure.read_counters(tmp_path)
    assert counters.tasks is None
    assert counters.steal_s is None
    assert counters.pressure_s is None
    found = evidence_between(counters, counters, 1.0, 2)
    assert found.queue_share is found.steal_share is found.cpu_pressure is None


def test_counters_are_read_from_the_kernels_files(tmp_path: Path):
    task = tmp_path / str(os.getpid()) / "task" / "7"
    task.mkdir(parents=True)
    (task / "schedstat").write_text("300 100 5\n")
    (task / "children").write_text("")
    (tmp_path / "pressure").mkdir()
    (tmp_path / "pressure" / "cpu").write_text("some avg10=0.00 total=2500000\nfull total=0\n")
    counters = pressure.read_counters(tmp_path)
    assert counters.tasks == {7: (300, 100)}
    assert counters.pressure_s == {"cpu": 2.5}


def test_in_a_container_only_the_cpus_that_we_may_use_count_as_the_machine(tmp_path: Path):
    ours = min(os.sched_getaffinity(0))
    rows = ["cpu  9 9 9 9 9 9 9 9 0 0", f"cpu{ours} 1 2 3 4 5 6 7 8 0 0", "cpu9999 9 9 9 9 9 9 9 9"]
    (tmp_path / "stat").write_text("\n".join(rows))
    assert pressure.cpu_ticks(tmp_path) == [[1, 2, 3, 4, 5, 6, 7, 8]]


def test_an_evidence_without_readings_is_all_none():
    assert Evidence() == evidence_between(Counters(), Counters(), 1.0, 2)


@pytest.mark.skipif(
    not Path("/proc/self/schedstat").exists(), reason="this kernel counts no run-queue wait"
)
def test_the_threads_of_worker_processes_are_counted_with_ours():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as worker:
        tasks = pressure.read_counters().tasks
        assert worker.stdin is not None
        worker.stdin.write(b"\n")
    assert {threading.main_thread().native_id, worker.pid} <= set(tasks)


def test_what_a_latency_gate_saw_is_said_of_blocks():
    shares = {True: 0.1, False: 0.5}
    blocks = [
        LatencyBlock(
            executor="threads",
            rate_per_s=None,
            latencies_s=(),
            send_lag_p99_s=0.0,
            is_clean=is_clean,
            evidence=Evidence(queue_share=share),
        )
        for is_clean, share in shares.items()
    ]
    assert "50 % of the time for a core (run queue), 10 % in clean blocks" in summarise(
        blocks, "blocks"
    )
