"""The cuda executor on its CPU stand-in: what its trace says of its devices, and what its errors say."""

import gc
import weakref
from dataclasses import replace

import pytest

from pytest_pipeline.errors import UnavailableError
from pytest_pipeline.executors._device import poison
from pytest_pipeline.executors._device.on_cpu import CpuBackend
from pytest_pipeline.executors.cuda import Cuda
from pytest_pipeline.executors.protocol import Diagnosable
from pytest_pipeline.model.device import HostMemory
from pytest_pipeline.model.plan import Source, Stage, make_plan

torch = pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def nobody_is_poisoned(monkeypatch):
    monkeypatch.setattr(poison, "_poison", None)


@pytest.fixture
def opened():
    running = []

    def open_executor(stages, **options):
        running.append(Cuda(**{"devices": ["cpu:0"], **options}).open(make_plan(stages)))
        return running[-1]

    yield open_executor
    for each in running:
        each.close()


def items(count=6):
    return Source(lambda: iter([torch.ones(100) for _ in range(count)]))


def double(x):
    return x * 2


def test_every_replica_is_told_with_its_items_and_as_a_stand_in(opened):
    trace = opened([double], devices=["cpu:0", "cpu:1"], slots=2).run(items())
    assert [each.device for each in trace.devices] == ["cpu:0", "cpu:1"]
    assert sum(each.num_items for each in trace.devices) == 6
    for each in trace.devices:
        assert "not a measurement" in each.name
        assert (each.slots, each.source) == (2, HostMemory.PAGEABLE)


def test_a_second_execution_starts_its_counts_anew(opened):
    running = opened([double])
    running.run(items())
    assert running.run(items(4)).devices[0].num_items == 4


def test_copies_between_devices_are_counted_in_bytes(opened):
    stages = [Stage(double, device="cpu:0"), Stage(torch.neg, device="cpu:1")]
    trace = opened(stages).run(items(5))
    (copied,) = [each for run in trace.devices for each in run.transfers]
    assert (copied.source, copied.target, copied.bytes) == ("cpu:0", "cpu:1", 5 * 400)


def test_a_diagnosis_sees_the_parts_of_the_device_behind_stages_on_the_host(opened):
    running = opened([Stage(torch.abs, device="cpu"), double])
    assert isinstance(running, Diagnosable)
    (found,) = running.diagnose(items())
    assert found.num_items == 6
    assert [part.name for part in found.parts] == ["stage-in", "H2D", "kernels", "D2H", "stage-out"]
    assert running.run(items()).outputs[0].sum() == 200


def test_a_plan_without_a_stage_on_a_device_has_nothing_to_look_into(opened):
    assert opened([Stage(double, device="cpu")]).diagnose(items()) == ()


def test_out_of_memory_keeps_its_type_and_says_slots_times_bytes_and_the_remedy(opened):
    def greedy(x):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    with pytest.raises(torch.OutOfMemoryError) as caught:
        opened([greedy], slots=2).run(items())
    notes = "\n".join(caught.value.__notes__)
    assert "stage 'greedy', item 0" in notes
    assert "the ring asks for 2 slots x" in notes
    assert "next: fewer slots, Cuda(slots=1)" in notes


def test_after_a_lost_device_cuda_is_unavailable_with_stage_item_and_cause(opened):
    def asserts(x):
        raise torch.AcceleratorError("CUDA error: device-side assert triggered")

    with pytest.raises(torch.AcceleratorError):
        opened([asserts]).run(items())
    cause = "stage 'asserts', item 0: AcceleratorError: CUDA error: device-side assert triggered"
    assert cause in Cuda().unavailable()
    with pytest.raises(UnavailableError, match="CUDA is unusable in this process"):
        Cuda().open(make_plan([double]))


def test_a_lost_device_keeps_the_users_items_whose_end_would_be_that_of_the_process(opened):
    def asserts(x):
        if x[0] == 5:
            raise torch.AcceleratorError("CUDA error: device-side assert triggered")
        return x

    mine = [torch.full((3,), float(k)) for k in range(8)]
    drained = weakref.ref(mine[0])
    with pytest.raises(torch.AcceleratorError):
        opened([asserts]).run(Source(lambda: iter(mine)))
    mine.clear()
    gc.collect()
    assert drained() is not None


def test_a_lost_device_keeps_the_items_of_a_callable_that_were_under_way(opened):
    under_way = []

    def items():
        for k in range(8):
            under_way.append(weakref.ref(item := torch.full((3,), float(k))))
            yield item
            del item

    def asserts(x):
        if x[0] == 5:
            raise torch.AcceleratorError("CUDA error: device-side assert triggered")
        return x

    with pytest.raises(torch.AcceleratorError):
        opened([asserts]).run(Source(items, is_timed=True))
    gc.collect()
    assert under_way[5]() is not None


class LosesItself(CpuBackend):
    """A device that is lost at the third launch: a library says so in words of its own, and whoever waits in torch's."""

    def __init__(self):
        super().__init__()
        self.launched = 0

    def launch(self, stream, fn, *values):
        self.launched += 1
        if self.launched > 2:
            raise RuntimeError("CUBLAS_STATUS_EXECUTION_FAILED")
        return super().launch(stream, fn, *values)

    def synchronize(self, device):
        if self.launched > 2:
            raise torch.AcceleratorError("CUDA error: device-side assert triggered")


@pytest.mark.parametrize("collects_errors", [False, True])
@pytest.mark.parametrize("options", [{}, {"batch_bytes": 1000}], ids=["alone", "in groups"])
def test_a_device_that_a_library_loses_is_told_with_stage_and_item(
    opened, options, collects_errors
):
    source = replace(items(), collects_errors=collects_errors)
    with pytest.raises(torch.AcceleratorError) as caught:
        opened([Stage(double, name="x")], backend=LosesItself(), **options).run(source)
    assert "stage 'x', item" in caught.value.__notes__[0]
    assert "CUBLAS" in str(caught.value.__cause__)
    assert "stage 'x', item" in poison.poisoned().cause
    if not options:
        assert caught.value.__notes__[0] == "stage 'x', item 2"
