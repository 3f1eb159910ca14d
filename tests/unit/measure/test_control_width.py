"""The control kernel shows what the host gives, also where the arm has too few workers to show it."""

import threading

import pytest
from unit.virtual import Lab, speedup

from pytest_pipeline.executors.cuda import Cuda
from pytest_pipeline.executors.processes import Processes
from pytest_pipeline.executors.serial import Serial
from pytest_pipeline.executors.threads import Threads
from pytest_pipeline.measure.control import ExecutorControl, control_workers
from pytest_pipeline.measure.machine import RealMachine
from pytest_pipeline.testing import VirtualExecutor


@pytest.mark.parametrize(
    ("executor", "is_replaced"),
    [(Threads(), False), (Threads(layout="shared", workers=1), True)],
)
def test_an_executor_with_too_few_workers_of_its_own_does_not_run_the_control(
    executor, is_replaced
):
    wide = []

    def make_wide():
        wide.append(Threads())
        return wide[-1]

    machine = RealMachine(Serial, make_wide)
    try:
        assert machine.monitor(executor, 2).control.width == 2
    finally:
        machine.close()
    assert bool(wide) is is_replaced


def test_the_control_is_as_wide_as_the_widest_arm_whichever_comes_first():
    class Narrow(VirtualExecutor):
        def workers(self, plan):  # noqa: ARG002 - one worker, whatever the plan
            return 1

    lab = Lab()
    narrow = Narrow("narrow", lab.machine)
    gate = speedup(0.9)
    result = lab.compare(candidates=[narrow, lab.threads], requirements=[gate], max_rounds=5)
    assert (result.reference.executor, result.reference.width) == ("threads", 2)


@pytest.mark.parametrize("executor", [Threads(chunk=8), Processes(workers=2, chunk=8)], ids=repr)
def test_an_executor_that_hands_over_chunks_spreads_the_control_over_its_workers(executor):
    control = ExecutorControl(executor, Serial(), 2, loops=1)
    try:
        trace = control.parallel_trace()
    finally:
        control.close()
    assert sorted(trace.visits.item.tolist()) == [0, 1]


def test_beside_a_cuda_arm_the_control_computes_on_several_host_threads_at_once(monkeypatch):
    pytest.importorskip("torch")
    both = threading.Barrier(2, timeout=10)
    monkeypatch.setattr("pytest_pipeline.measure.control.kernel", lambda loops: both.wait())
    executor = Cuda(devices=["cpu:0"])
    assert control_workers(executor, 2) == 2
    control = ExecutorControl(executor, Serial(), 2, loops=1)
    try:
        trace = control.parallel_trace()
    finally:
        control.close()
    assert sorted(trace.outputs) == [0, 1]
    assert trace.devices == ()
