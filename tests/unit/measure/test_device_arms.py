"""An arm with a device is looked into once, apart from the timed executions, and its card gets the bound."""

from dataclasses import replace

import pytest
from unit.virtual import Lab, p99, speedup, used

from pytest_pipeline.model.device import (
    DeviceDiagnosis,
    DevicePart,
    DeviceReadings,
    DeviceRun,
    HostMemory,
)
from pytest_pipeline.model.finding import Reason, Verdict
from pytest_pipeline.testing import VirtualExecutor

PART = DevicePart("kernels", 0.04, 0.001, 0.001, 0.001)
SILENT = DeviceReadings()


class OnDevice:
    """A virtual executor that says it has a device."""

    def __init__(self, lab, *, gain=1.0, readings=SILENT):
        self.inner = VirtualExecutor("cuda", lab.machine, slowdown=lambda _: 1 / gain)
        self.readings = readings
        self.name = "cuda"
        self.diagnosed = []
        self.timed = 0

    def workers(self, plan):
        return self.inner.workers(plan)

    def unavailable(self):
        return None

    def open(self, plan):
        return OnDeviceRunning(self, self.inner.open(plan))


class OnDeviceRunning:
    def __init__(self, executor, inner):
        self.executor, self.inner = executor, inner
        self.startup_s, self.abandoned = inner.startup_s, ()

    def run(self, source):
        self.executor.timed += 1
        trace = self.inner.run(source)
        run = DeviceRun("cuda:0", "a GPU", HostMemory.PINNED, 3, 40, trace.makespan_s, (), None)
        return replace(trace, devices=(replace(run, readings=self.executor.readings),))

    def diagnose(self, source):
        self.executor.diagnosed.append((self.executor.timed, len(list(source.factory()))))
        return (DeviceDiagnosis("cuda:0", 40, (PART,)),)

    def close(self):
        self.inner.close()


@pytest.fixture
def lab():
    return Lab()


def test_the_arm_has_its_devices_with_the_bound_of_the_diagnosis(lab):
    arm = lab.compare(candidates=[OnDevice(lab)])["cuda"]
    (run,) = arm.devices
    assert run.bound_s == pytest.approx(0.04)
    assert run.efficiency == pytest.approx(0.04 / run.makespan_s)


def test_it_is_looked_into_once_and_before_the_rounds(lab):
    executor = OnDevice(lab)
    lab.compare(candidates=[executor])
    ((timed_before, items),) = executor.diagnosed
    assert items == 40
    assert timed_before == 2
    assert executor.timed > timed_before


def test_setup_and_teardown_surround_it(lab):
    calls = []
    executor = OnDevice(lab)
    executor_open = executor.open

    def open_watched(plan):
        running = executor_open(plan)
        inner = running.diagnose

        def diagnose(source):
            calls.append("diagnose")
            return inner(source)

        running.diagnose = diagnose
        return running

    executor.open = open_watched
    lab.compare(
        candidates=[executor],
        setup=lambda: calls.append("setup"),
        teardown=lambda: calls.append("teardown"),
    )
    at = calls.index("diagnose")
    assert calls[at - 1 : at + 2] == ["setup", "diagnose", "teardown"]


def test_arms_without_a_device_are_left_alone(lab):
    result = lab.compare()
    assert result["threads"].devices == ()
    assert not any("devices" in line for line in lab.progress)


def test_the_host_model_knows_no_ceiling_of_a_device(lab):
    wanted = [speedup(9.0)]
    result = lab.compare(candidates=[OnDevice(lab)], requirements=wanted)
    assert result.notes["ceilings"] == []
    assert result["cuda"].bottleneck.ceiling is None


def decided(lab, arm, gate, **options):
    result = lab.compare(candidates=[arm], requirements=[gate], **options)
    return result, *result.findings


def test_a_device_may_be_faster_than_all_the_cores_together():
    lab = Lab(cpu_share=1.0)
    _, finding = decided(lab, OnDevice(lab, gain=20), speedup(20))
    assert finding.verdict is Verdict.MET


def test_a_device_that_gains_nothing_is_a_miss_and_no_lack_of_cores():
    lab = Lab(cpu_share=1.0)
    _, finding = decided(lab, OnDevice(lab), speedup(20))
    assert finding.verdict is Verdict.MISSED


def test_stages_that_stay_on_the_host_need_its_cores_beside_a_device_too():
    lab = Lab(cpu_share=1.0)
    stages = [lab.stage("decode", 0.002, device="cpu"), lab.stage("model", 0.002)]
    _, finding = decided(lab, OnDevice(lab, gain=20), speedup(20), stages=stages)
    assert finding.reason is Reason.CAPACITY
    assert "at most 4.00x here: what stays on the host computes 50 % of the time" in finding.text


def test_a_crowded_host_is_not_trusted_with_a_baseline_that_computes_whatever_the_device_does():
    lab = Lab(cpu_share=1.0, crowd=lambda _: 2.0)
    _, finding = decided(lab, OnDevice(lab, gain=20), speedup(20))
    assert finding.reason is Reason.CAPACITY
    assert "every core is shared or busy" in finding.text


HOT = DeviceReadings(throttle_reasons=("software power cap", "hardware thermal slowdown"))


@pytest.mark.parametrize("cpu_share", [0.0, 1.0], ids=["waits", "computes"])
def test_rounds_in_which_heat_held_the_device_down_are_disturbed_and_say_so(cpu_share):
    lab = Lab(cpu_share=cpu_share)
    result, finding = decided(lab, OnDevice(lab, readings=HOT), speedup(1.5))
    assert {(each.is_clean, each.disturbance) for each in result.rounds} == {
        (False, "device slowed down: cuda:0, hardware thermal slowdown")
    }
    assert finding.reason is Reason.BUSY
    assert "device slowed down" in finding.text


def test_a_power_cap_which_any_load_may_meet_disturbs_nothing():
    lab = Lab()
    capped = DeviceReadings(throttle_reasons=("software power cap",))
    _, finding = decided(lab, OnDevice(lab, readings=capped), speedup(1.5))
    assert finding.verdict is Verdict.MET


def test_late_items_of_a_device_that_heat_held_down_do_not_count_against_the_service():
    lab = Lab()
    result, finding = decided(lab, OnDevice(lab, readings=HOT), p99(0.001))
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert not any(each.is_clean for each in result.blocks)


def test_nobody_knows_that_a_device_had_no_neighbour():
    alone = {"usage": used(lambda _: 0.0), "cpu_share": 1.0}
    for arm, was_alone in ((OnDevice, False), (lambda lab: lab.threads, True)):
        lab = Lab(**alone)
        result, _ = decided(lab, arm(lab), speedup(1.5))
        assert {each.was_alone for each in result.rounds} == {was_alone}
