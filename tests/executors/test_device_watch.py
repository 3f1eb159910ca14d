"""What a device did in one execution: its own memory, items and readings; a stand-in is named as one."""

import sys
import types

import pytest

from pytest_pipeline.executors._device.observed import DeviceWatch, Identity, Use
from pytest_pipeline.model.device import DeviceReadings, HostMemory, Transfer
from pytest_pipeline.model.device_memory import DeviceMemory


class Backend:
    kind = "cuda"

    def __init__(self, memory=None):
        self.by_device = memory or {}
        self.reset = []

    def reset_peaks(self, device):
        self.reset.append(device)

    def memory(self, device):
        return self.by_device.get(device)


def identify(kind, device):
    return Identity(f"GPU of {device}", f"GPU-{device}")


@pytest.fixture
def no_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)


def use(**changes):
    values = {
        "makespan_s": 2.0,
        "slots": 3,
        "items": {"cuda:0": 7, "cuda:1": 5},
        "source": HostMemory.PINNED,
    }
    return Use(**values | changes)


def test_every_device_has_its_own_items_and_peaks(no_library):
    memory = {"cuda:0": DeviceMemory(1, 2, 300, 400)}
    watch = DeviceWatch(Backend(memory), ["cuda:0", "cuda:1"], identify)
    watch.before()
    first, second = watch.after(use())
    assert (first.name, first.num_items, first.slots) == ("GPU of cuda:0", 7, 3)
    assert (first.peak_allocated_bytes, first.peak_reserved_bytes) == (300, 400)
    assert (second.num_items, second.peak_allocated_bytes) == (5, None)
    assert first.makespan_s == second.makespan_s == 2.0
    assert "nvidia-ml-py is not installed" in first.readings.missing[0]


def test_peaks_are_those_of_this_execution_and_not_of_what_ran_before(no_library):
    backend = Backend()
    DeviceWatch(backend, ["cuda:0", "cuda:1"], identify).before()
    assert backend.reset == ["cuda:0", "cuda:1"]


def test_a_copy_between_devices_stands_once_with_the_one_it_came_from(no_library):
    copy = Transfer("cuda:0", "cuda:1", 8, is_peer_access=True)
    watch = DeviceWatch(Backend(), ["cuda:0", "cuda:1"], identify)
    first, second = watch.after(use(transfers=[copy]))
    assert (first.transfers, second.transfers) == ((copy,), ())


@pytest.mark.parametrize(("kind", "word"), [("cpu", "CPU in place"), ("simulated", "virtual")])
def test_a_stand_in_says_that_it_measures_nothing_and_asks_no_driver(kind, word, monkeypatch):
    def refuse():
        raise AssertionError("asked the driver")

    monkeypatch.setitem(sys.modules, "pynvml", types.SimpleNamespace(nvmlInit=refuse))
    backend = Backend()
    backend.kind = kind
    watch = DeviceWatch(backend, ["cuda:0"])
    watch.before()
    (run,) = watch.after(use())
    assert word in run.name
    assert "not a measurement" in run.name
    assert run.readings == DeviceReadings()
    watch.close()
