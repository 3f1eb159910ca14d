"""Out of memory says what to change and leaves the device clean; a lost context is said to all who come later."""

import sys
import types
import weakref

import pytest

from pytest_pipeline.executors._device import poison
from pytest_pipeline.executors._device.faults import Demand, Fault, explain, fault_of, memory_text


class OutOfMemoryError(RuntimeError):
    pass


class AcceleratorError(RuntimeError):
    def __init__(self, text, code=None):
        super().__init__(text)
        if code is not None:
            self.error_code = code


class Tensor:
    """Something that a frame holds on to."""


@pytest.fixture
def torch(monkeypatch):
    made = types.ModuleType("torch")
    made.OutOfMemoryError, made.AcceleratorError = OutOfMemoryError, AcceleratorError
    made.emptied = 0

    def empty_cache():
        made.emptied += 1

    made.cuda = types.SimpleNamespace(is_initialized=lambda: True, empty_cache=empty_cache)
    monkeypatch.setitem(sys.modules, "torch", made)
    return made


@pytest.fixture(autouse=True)
def nobody_is_poisoned(monkeypatch):
    monkeypatch.setattr(poison, "_poison", None)


DEMAND = Demand("cuda:0", 3, 512_000_000, 78_000_000_000, 79_500_000_000)
PLACE = "stage 'infer', item 17"


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), Fault.MEMORY),
        (AcceleratorError("CUDA error: out of memory", 2), Fault.MEMORY),
        (AcceleratorError("CUDA error: device-side assert triggered", 710), Fault.LOST),
        (AcceleratorError("an error without words", 700), Fault.LOST),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), Fault.LOST),
        (RuntimeError("CUDA error: unspecified launch failure"), Fault.LOST),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), None),
        (ValueError("CUDA error: device-side assert triggered"), None),
        (AcceleratorError("CUDA error: invalid argument", 1), None),
    ],
)
def test_errors_of_the_device_and_of_the_user_are_told_apart(torch, error, fault):
    assert fault_of(error) is fault


def test_an_unexplained_error_of_the_accelerator_is_settled_by_trying_the_device(torch):
    error = AcceleratorError("CUDA error: something new", 999)
    assert fault_of(error, lambda: False) is Fault.LOST
    assert fault_of(error, lambda: True) is None


def test_the_device_is_not_tried_for_an_error_of_the_user(torch):
    def never():
        raise AssertionError("asked")

    assert fault_of(RuntimeError("bad row"), never) is None


def test_the_words_of_torch_on_this_machine_are_recognised():
    torch = pytest.importorskip("torch")
    assert fault_of(torch.OutOfMemoryError("CUDA out of memory.")) is Fault.MEMORY
    assert (
        fault_of(torch.AcceleratorError("CUDA error: device-side assert triggered")) is Fault.LOST
    )


def failed(error):
    error.add_note(PLACE)
    return error


def test_out_of_memory_says_slots_times_bytes_peaks_and_the_remedy(torch):
    error = failed(OutOfMemoryError("CUDA out of memory."))
    explain(error, DEMAND, drop=list)
    place, text = error.__notes__
    assert place == PLACE
    assert "out of memory on cuda:0: the ring asks for 3 slots x 512 MB = 1.54 GB" in text
    assert "peak 78.0 GB in tensors, 79.5 GB held by the allocator" in text
    assert "next: fewer slots, Cuda(slots=2), or smaller items or batches" in text


def test_a_ring_of_one_slot_is_not_told_to_have_none():
    text = memory_text(Demand("cuda:0", 1, 64))
    assert "1 slot x 64 B = 64 B" in text
    assert "slots=0" not in text
    assert "next: smaller items or batches" in text


def raised_while_holding(tensor):
    held = tensor
    try:
        raise KeyError(id(held))
    except KeyError as earlier:
        raise OutOfMemoryError("CUDA out of memory.") from earlier


def test_out_of_memory_lets_go_of_slots_tensors_in_frames_and_the_cache(torch):
    tensor = Tensor()
    alive = weakref.ref(tensor)
    ring = [tensor]
    caught = None
    try:
        raised_while_holding(tensor)
    except OutOfMemoryError as error:
        caught = error
    del tensor
    assert alive() is not None
    explain(caught, DEMAND, drop=ring.clear)
    assert alive() is None, "the error still holds the tensor"
    assert torch.emptied == 1


def test_a_cache_that_cannot_be_emptied_does_not_replace_the_error(torch):
    def fail():
        raise RuntimeError("captures_underway.empty() INTERNAL ASSERT FAILED")

    torch.cuda.empty_cache = fail
    error = OutOfMemoryError("CUDA out of memory.")
    explain(error, DEMAND, drop=list)
    assert "Cuda(slots=2)" in error.__notes__[-1]


def test_an_error_of_the_user_comes_back_as_it_is_and_nothing_is_dropped(torch):
    error = RuntimeError("bad row")
    ring = [1]
    explain(error, DEMAND, drop=ring.clear)
    assert not hasattr(error, "__notes__")
    assert ring == [1]
    assert torch.emptied == 0
    assert poison.poisoned() is None


def test_a_lost_context_keeps_its_error_and_is_remembered_with_its_cause(torch):
    error = failed(AcceleratorError("CUDA error: device-side assert triggered\nmore", 710))
    explain(error, DEMAND, drop=list)
    assert "CUDA_LAUNCH_BLOCKING=1" in error.__notes__[1]
    poison.blame("tests/test_gpu.py::test_a")
    poison.blame("tests/test_gpu.py::test_b")
    assert poison.poisoned().text == (
        "CUDA is unusable in this process since an earlier error in tests/test_gpu.py::test_a: "
        "stage 'infer', item 17: AcceleratorError: CUDA error: device-side assert triggered; "
        "next: run that test alone with CUDA_LAUNCH_BLOCKING=1, which names the failing line"
    )


def test_the_first_lost_context_is_the_one_that_is_blamed(torch):
    for cause in ("first", "second"):
        error = AcceleratorError(f"CUDA error: device-side assert, {cause}")
        explain(error, DEMAND, drop=list)
    assert "first" in poison.poisoned().cause


def test_nothing_is_cleaned_on_a_lost_device_where_every_call_fails(torch):
    def fail():
        raise AssertionError("a call to a lost device")

    torch.cuda.empty_cache = fail
    explain(AcceleratorError("CUDA error: device-side assert", 710), DEMAND, drop=fail)
