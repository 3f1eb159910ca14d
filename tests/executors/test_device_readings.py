# ruff: noqa: N802, N815 - the library names its functions so
"""What the management library tells, scripted: every call may be refused by itself, and nothing is invented."""

import sys
import types

import pytest

from pytest_pipeline.executors._device.nvml import _REASONS, Nvml
from pytest_pipeline.model.device import SLOWDOWNS, Clocks, DeviceReadings


class Library(types.ModuleType):
    """`pynvml` with a script: `refused` calls raise, users are counted."""

    NVML_CLOCK_SM, NVML_CLOCK_MEM, NVML_TEMPERATURE_GPU = 1, 2, 0
    nvmlClocksEventReasonGpuIdle = 1
    nvmlClocksEventReasonSwPowerCap = 4
    nvmlClocksThrottleReasonHwSlowdown = 8

    def __init__(self, *, refused=(), reasons=0, uuids=("GPU-a1",)):
        super().__init__("pynvml")
        self.refused, self.reasons, self.uuids = refused, reasons, uuids
        self.users = 0

    def _call(self, name, answer):
        if name in self.refused:
            raise RuntimeError(f"Insufficient Permissions for {name}")
        return answer

    def nvmlInit(self):
        self._call("init", None)
        self.users += 1

    def nvmlShutdown(self):
        self.users -= 1
        self._call("shutdown", None)

    def nvmlDeviceGetHandleByUUID(self, uuid):
        if uuid not in self.uuids:
            raise RuntimeError("Not Found")
        return self._call("handle", "by uuid")

    def nvmlDeviceGetHandleByIndex(self, index):
        return self._call("handle", f"by index {index}")

    def nvmlSystemGetDriverVersion(self):
        return self._call("driver", b"580.65.06")

    def nvmlDeviceGetClockInfo(self, handle, kind):
        return self._call("clocks", {1: 1980, 2: 3201}[kind])

    def nvmlDeviceGetUtilizationRates(self, handle):
        return self._call("rates", types.SimpleNamespace(gpu=61, memory=34))

    def nvmlDeviceGetTemperature(self, handle, sensor):
        return self._call("temperature", 41)

    def nvmlDeviceGetCurrentClocksEventReasons(self, handle):
        return self._call("reasons", self.reasons)


@pytest.fixture
def library(monkeypatch):
    def install(**script):
        made = Library(**script)
        monkeypatch.setitem(sys.modules, "pynvml", made)
        return made

    return install


def both(uuid="a1"):
    nvml = Nvml(uuid)
    try:
        return nvml.after(nvml.before())
    finally:
        nvml.close()


def test_a_willing_library_gives_every_reading_and_is_left_without_users(library):
    scripted = library(reasons=4)
    clocks = Clocks(1.98e9, 3.201e9)
    assert both() == DeviceReadings(
        driver="580.65.06",
        clocks_before=clocks,
        clocks_after=clocks,
        throttle_reasons=("software power cap",),
        utilization=0.61,
        memory_utilization=0.34,
        temperature_c=41.0,
    )
    assert scripted.users == 0


def test_without_the_library_the_reason_stands_once(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert both() == DeviceReadings(
        missing=(
            "clocks and utilisation: nvidia-ml-py is not installed (pip install nvidia-ml-py)",
        )
    )


@pytest.mark.parametrize(
    ("call", "field", "what"),
    [
        ("driver", "driver", "driver"),
        ("clocks", "clocks_after", "clocks"),
        ("rates", "utilization", "utilisation"),
        ("temperature", "temperature_c", "temperature"),
        ("reasons", "throttle_reasons", "throttle reasons"),
    ],
)
def test_a_refused_call_loses_only_its_own_reading(library, call, field, what):
    scripted = library(refused=(call,))
    found = both()
    assert getattr(found, field) is None
    assert found.missing == (f"{what}: Insufficient Permissions for {call}",)
    known = [
        found.driver,
        found.clocks_after,
        found.utilization,
        found.temperature_c,
        found.throttle_reasons,
    ]
    assert sum(each is None for each in known) == 1
    assert scripted.users == 0


@pytest.mark.parametrize("call", ["init", "handle"])
def test_a_library_that_does_not_start_leaves_everything_out_with_its_own_words(library, call):
    scripted = library(refused=(call,))
    found = both()
    assert found == DeviceReadings(
        missing=(f"clocks and utilisation: Insufficient Permissions for {call}",)
    )
    assert scripted.users == 0


def test_a_shutdown_that_fails_costs_no_reading(library):
    library(refused=("shutdown",))
    assert both().missing == ()


def test_an_idle_device_is_not_held_down_and_old_and_new_names_of_reasons_are_read(library):
    library(reasons=1)
    assert both().throttle_reasons == ()
    library(reasons=8)
    assert both().throttle_reasons == ("hardware slowdown",)


def test_a_reason_that_nobody_knows_is_shown_as_its_bits(library):
    library(reasons=4 | 0x4000)
    assert both().throttle_reasons == ("software power cap", "unknown (0x4000)")


def test_the_device_is_found_by_its_uuid_so_that_hidden_devices_do_not_shift_it(library):
    library(uuids=("GPU-a1", "GPU-b2"))
    assert both("GPU-b2").driver == "580.65.06"
    assert "Not Found" in both("c3").missing[0]


def test_the_library_is_opened_once_and_left_once(library):
    scripted = library()
    nvml = Nvml("a1")
    for _ in range(3):
        nvml.after(nvml.before())
    assert scripted.users == 1
    nvml.close()
    nvml.close()
    assert scripted.users == 0


def test_a_refusal_of_one_reading_is_not_carried_into_the_next(library):
    scripted = library(refused=("clocks",))
    nvml = Nvml("a1")
    assert nvml.before().missing
    scripted.refused = ()
    assert nvml.before().missing == ()
    nvml.close()


def test_what_disturbs_a_round_is_told_in_the_words_that_are_looked_for():
    assert set(_REASONS.values()) >= SLOWDOWNS
