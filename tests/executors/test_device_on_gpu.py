"""What only a real device can show: readings, waiting calls, errors. Skipped with the reason where there is none."""

import gc
import subprocess
import sys

import pytest

from pytest_pipeline.executors._device import poison
from pytest_pipeline.executors._device.faults import Demand, Fault, explain, fault_of
from pytest_pipeline.executors._device.nvml import Nvml
from pytest_pipeline.executors._device.sync_calls import SyncWatch
from pytest_pipeline.executors.cuda import Cuda

torch = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(
        not torch.cuda.is_available(), reason=f"no CUDA device: {Cuda().unavailable()}"
    ),
]

ASSERTS = """
import torch
from pytest_pipeline.executors._device.faults import Demand, explain
from pytest_pipeline.executors._device.poison import poisoned

values = torch.zeros(4, device="cuda")
try:
    values[torch.tensor([99], device="cuda")]
    torch.cuda.synchronize()
except RuntimeError as error:
    explain(error, Demand("cuda:0", 1, 1), drop=list)
print(poisoned().cause)
"""


def test_a_waiting_call_on_the_device_is_named():
    there = torch.ones(8, device="cuda")

    def score(item):
        return item.sum().item()

    with SyncWatch(torch.cuda) as watch, watch.stage("score"):
        score(there)
    (found,) = watch.found()
    assert (found.stage, found.code) == ("score", "return item.sum().item()")


def test_kernels_alone_wait_for_nothing():
    there = torch.ones(8, device="cuda")
    with SyncWatch(torch.cuda) as watch, watch.stage("double"):
        there * 2
    assert watch.found() == ()


def test_the_driver_is_read_or_says_why_not():
    nvml = Nvml(str(torch.cuda.get_device_properties(0).uuid))
    readings = nvml.after(nvml.before())
    nvml.close()
    assert readings.driver or readings.missing


def test_a_device_that_is_full_says_so_and_is_clean_afterwards():
    gc.collect()
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated()
    held = [torch.empty(1 << 28, dtype=torch.uint8, device="cuda")]

    def fill():
        torch.empty(1 << 50, dtype=torch.uint8, device="cuda")

    with pytest.raises(torch.OutOfMemoryError) as caught:
        fill()
    assert fault_of(caught.value) is Fault.MEMORY
    explain(caught.value, Demand("cuda:0", 3, 1 << 28), drop=held.clear)
    assert "3 slots x 268 MB" in caught.value.__notes__[0]
    assert torch.cuda.memory_allocated() == before
    assert poison.poisoned() is None


def test_a_device_side_assert_is_known_as_a_lost_device():
    done = subprocess.run(
        [sys.executable, "-c", ASSERTS], capture_output=True, text=True, timeout=120, check=False
    )
    assert "device-side assert" in done.stdout, done.stderr
