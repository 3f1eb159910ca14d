"""Items that others kept from every core are no evidence against a service, and never for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
from unit.measure.killed_parent import helper_of_a_killed_parent_ends
from unit.virtual import Lab, p99

from pytest_pipeline.judge.gate import Errors
from pytest_pipeline.judge.latency import LatencyGate
from pytest_pipeline.measure.latency.excuses import are_foreign, made_late_by
from pytest_pipeline.measure.machine import Usage
from pytest_pipeline.measure.system.heartbeat import has_shared_clock, start_heartbeat
from pytest_pipeline.measure.system.helper import HelperProcess, start_helper
from pytest_pipeline.model.finding import Reason, Verdict
from pytest_pipeline.model.ledger import Ledger
from pytest_pipeline.model.plan import Stage
from pytest_pipeline.model.rounds import LatencyBlock
from pytest_pipeline.model.trace import Trace, make_visits

LIMIT_S = 0.01


def block(late: int, *, excused: tuple[int, ...] = ()) -> LatencyBlock:
    return LatencyBlock(
        executor="threads",
        rate_per_s=100.0,
        latencies_s=(0.05,) * late + (0.001,) * (100 - late),
        send_lag_p99_s=0.0,
        is_clean=True,
        excused=excused,
    )


def gate_after(*blocks: LatencyBlock) -> LatencyGate:
    gate = LatencyGate(p99(LIMIT_S, rate_per_s=100), "threads", errors=Errors())
    for each in blocks:
        gate.observe(each)
    return gate


def test_late_items_in_a_gap_are_excused_for_missed():
    blamed = gate_after(*[block(20)] * 4)
    excused = gate_after(*[block(20, excused=tuple(range(20)))] * 4)
    assert blamed.status.name == "SUSPECT"
    assert excused.status.name == "OPEN"


def test_only_the_items_in_the_gap_are_excused():
    gate = gate_after(*[block(20, excused=(0, 1, 99))] * 6)
    assert gate.status.name == "SUSPECT"


def test_a_late_item_in_a_gap_still_counts_against_met():
    spotless = gate_after(*[block(0)] * 5)
    excused = gate_after(*[block(2, excused=(0, 1))] * 5)
    assert spotless.status.name == "MET"
    assert excused.status.name == "OPEN"
    assert excused.late == 10


class Stalled:
    """A service of 2 ms at 100 items a second that takes 20 ms for one item of `every`.

    That item and the next one are late. With `in_gaps` a heartbeat would have found no core meanwhile,
    and others used `foreign` cores all the time.
    """

    def __init__(self, *, every: int, in_gaps: bool = True, foreign: float = 1.0) -> None:
        self.spans: list[tuple[float, float]] = []
        self.lab = Lab(
            gaps=lambda began, ended: [span for span in self.spans if began <= span[0] < ended],
            usage=lambda now: Usage(own_cpu_s=0.0, machine_cpu_s=foreign * now, throttled=0),
        )
        self.every = every
        self.in_gaps = in_gaps

    def infer(self, item: int) -> int:
        is_slow = item % self.every == 0
        self.lab.machine.work(0.02 if is_slow else 0.002)
        if is_slow and self.in_gaps:
            arrival_s = self.lab.machine.clock.now_ns() / 1e9 + item / 100
            self.spans.append((arrival_s, arrival_s + 0.015))
        return item

    def compare(self, **options):
        stages = [Stage(self.infer, name="infer")]
        requirements = [p99(LIMIT_S, rate_per_s=100)]
        return self.lab.compare(stages, range(120), requirements=requirements, **options)


def test_a_service_that_is_late_only_in_gaps_is_neither_missed_nor_met():
    result = Stalled(every=20).compare()
    assert result.findings[0].verdict is Verdict.INCONCLUSIVE
    assert result.findings[0].clean_rounds > 5
    assert all({0, 1, 20, 21} <= set(each.excused) for each in result.blocks)
    assert all(each.is_clean for each in result.blocks)


def test_the_same_late_items_without_gaps_are_missed():
    result = Stalled(every=20, in_gaps=False).compare()
    assert result.findings[0].verdict is Verdict.MISSED


def test_when_more_than_a_fifth_of_the_items_is_excused_the_block_is_disturbed():
    result = Stalled(every=5).compare(budget_s=10)
    (finding,) = result.findings
    assert (finding.verdict, finding.reason) == (Verdict.INCONCLUSIVE, Reason.BUSY)
    assert "blocks were disturbed from outside (no core for the heartbeat)" in finding.text
    assert not any(each.is_clean for each in result.blocks)


def test_gaps_that_our_own_workers_made_excuse_nothing():
    result = Stalled(every=20, foreign=0.0).compare()
    assert result.findings[0].verdict is Verdict.MISSED
    assert not any(each.excused for each in result.blocks)


def test_where_the_cpu_time_of_others_is_unreadable_gaps_excuse():
    assert are_foreign([(0, 10**9)], None)
    assert are_foreign([(0, 10**9)], 0.6)
    assert not are_foreign([(0, 10**9)], 0.4)


MS = 1_000_000


def test_items_that_only_gaps_made_late_are_found_over_all_the_executions_of_a_block():
    first = trace(admitted=[0, 100 * MS, 200 * MS], emitted=[50 * MS, 165 * MS, 250 * MS])
    second = trace(admitted=[300 * MS, 400 * MS, 500 * MS], emitted=[350 * MS, 0, 565 * MS])
    gaps = [(140 * MS, 160 * MS), (510 * MS, 530 * MS)]
    assert made_late_by(gaps, [first, second], 0.050) == (1, 4)  # the second one of `second` failed
    assert made_late_by(gaps, [first, second], 0.070) == ()
    assert made_late_by([], [first], 0.050) == ()


def test_an_item_that_is_late_by_more_than_the_gaps_has_no_excuse():
    slow = trace(admitted=[0], emitted=[500 * MS])
    assert made_late_by([(100 * MS, 109 * MS)], [slow], 0.084) == ()


def test_an_item_behind_those_that_a_gap_held_up_is_excused_as_well():
    behind = trace(admitted=[100 * MS], emitted=[190 * MS])
    assert made_late_by([(40 * MS, 101 * MS)], [behind], 0.080) == (0,)


def trace(*, admitted: list[int], emitted: list[int]) -> Trace:
    return Trace(
        executor="threads",
        stage_names=(),
        outputs=[],
        began_ns=0,
        ended_ns=0,
        first_result_ns=0,
        startup_s=0.0,
        visits=make_visits([]),
        admitted_ns=np.array(admitted, dtype=np.int64),
        emitted_ns=np.array(emitted, dtype=np.int64),
        send_lag_s=np.zeros(0),
        ledger=Ledger((), 0.0),
    )


needs_shared_clock = pytest.mark.skipif(
    not has_shared_clock(), reason="processes do not share perf_counter on this platform"
)


@needs_shared_clock
def test_a_real_heartbeat_lists_nothing_below_the_threshold_and_ends_when_it_is_closed():
    heartbeat = start_heartbeat(0.003)
    assert heartbeat is not None
    process = psutil.Process(heartbeat.pid)
    gaps = heartbeat.gaps() + heartbeat.gaps()
    assert all(ended - began >= 3_000_000 for began, ended in gaps)
    heartbeat.close()
    heartbeat.close()
    assert not process.is_running()
    assert heartbeat.gaps() == []


@needs_shared_clock
def test_a_heartbeat_that_was_stopped_and_continued_reports_the_gap():
    heartbeat = start_heartbeat(0.003)
    assert heartbeat is not None
    os.kill(heartbeat.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, heartbeat.pid, os.WSTOPPED | os.WNOWAIT)
    stopped = time.perf_counter_ns()
    subprocess.run([sys.executable, "-S", "-c", ""], check=True)  # takes longer than 3 ms
    continued = time.perf_counter_ns()
    os.kill(heartbeat.pid, signal.SIGCONT)
    gaps = heartbeat.gaps()
    heartbeat.close()
    assert any(began <= stopped and ended >= continued for began, ended in gaps)


def test_where_no_process_can_be_started_there_is_no_heartbeat_and_no_error(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert start_heartbeat(0.003) is None


def test_ctrl_c_while_a_process_of_ours_starts_leaves_none_behind(monkeypatch):
    started = []

    def interrupted(helper):
        started.append(helper)
        raise KeyboardInterrupt

    monkeypatch.setattr(HelperProcess, "is_ready", interrupted)
    with pytest.raises(KeyboardInterrupt):
        start_helper("_beat.py", "5000000")
    (helper,) = started
    assert helper._process.poll() is not None


@needs_shared_clock
def test_a_heartbeat_that_was_killed_excuses_nothing_and_raises_nothing():
    heartbeat = start_heartbeat(0.003)
    assert heartbeat is not None
    os.kill(heartbeat.pid, signal.SIGKILL)
    assert heartbeat.gaps() == []
    heartbeat.close()


@needs_shared_clock
def test_killing_the_parent_leaves_no_heartbeat_behind():
    code = (
        "from pytest_pipeline.measure.system.heartbeat import start_heartbeat\n"
        "heartbeat = start_heartbeat(0.003)\n"
        "print(heartbeat.pid, flush=True)\n"
        "input()\n"
    )
    assert helper_of_a_killed_parent_ends(code)


@needs_shared_clock
def test_a_forked_child_that_holds_the_pipe_does_not_keep_the_heartbeat_of_a_dead_parent():
    code = (
        "import os, sys\n"
        "from pytest_pipeline.measure.system.heartbeat import start_heartbeat\n"
        "heartbeat = start_heartbeat(0.003)\n"
        "if os.fork() == 0:\n"
        "    print(heartbeat.pid, flush=True)\n"
        "    sys.stdin.read()\n"
        "    os._exit(0)\n"
        "os.wait()\n"
    )
    assert helper_of_a_killed_parent_ends(code)
