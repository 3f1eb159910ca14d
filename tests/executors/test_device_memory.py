"""Who holds memory and how long: items on the device, a stage's own buffers, the buffers of a slot."""

import weakref

import pytest

from pytest_pipeline.errors import UsageError
from pytest_pipeline.executors._device.lane import Lane
from pytest_pipeline.executors._device.on_cpu import CpuBackend
from pytest_pipeline.executors._device.on_torch import TorchTensors
from pytest_pipeline.executors._device.packing import Packing
from pytest_pipeline.executors._device.steps import make_steps
from pytest_pipeline.model.plan import Stage

torch = pytest.importorskip("torch")


def test_an_item_that_is_on_the_device_already_is_kept_until_the_device_is_done_with_it():
    class Near(CpuBackend):
        def is_on_device(self, leaf):
            return True

    lane = Lane(Near(), make_steps([(0, Stage(lambda x: x * 3))], "cpu:0"), 1, is_ahead=False)
    item = torch.ones(3)
    is_there = weakref.ref(item)
    use = lane.feed([(0, item, 0)])
    del item
    assert is_there() is not None
    assert torch.equal(*lane.drain(use), 3 * torch.ones(3))
    assert is_there() is None


class Addressed(CpuBackend):
    """Tells where tensors lie, as a device does whose copies take their time."""

    def address(self, leaf):
        return TorchTensors.address(self, leaf)


def test_a_stage_that_returns_its_own_buffer_for_every_item_is_told_to_copy_it():
    own = torch.empty(3)

    def into_own(x):
        return torch.mul(x, 2, out=own)

    lane = Lane(Addressed(), make_steps([(0, Stage(into_own))], "cpu:0"), 2, is_ahead=False)
    first, second = (lane.feed([(k, torch.ones(3), 0)]) for k in range(2))
    assert first.error is None
    assert isinstance(second.error, UsageError)
    assert ".clone()" in str(second.error)


def test_a_buffer_of_the_stage_that_was_copied_out_may_be_returned_again():
    own = torch.empty(3)
    lane = Lane(
        Addressed(),
        make_steps([(0, Stage(lambda x: torch.mul(x, 2, out=own)))], "cpu:0"),
        2,
        is_ahead=False,
    )
    for _ in range(3):
        use = lane.feed([(0, torch.ones(3), 0)])
        assert use.error is None
        assert torch.equal(*lane.drain(use), 2 * torch.ones(3))
        lane.release()


def test_two_items_of_one_group_may_not_share_their_result_either():
    own = torch.empty(3)
    steps = make_steps([(0, Stage(lambda x: torch.mul(x, 2, out=own)))], "cpu:0")
    lane = Lane(Addressed(), steps, 1, is_ahead=False, batch_bytes=1000)
    use = lane.feed([(k, torch.ones(3), 0) for k in range(2)])
    assert isinstance(use.error, UsageError)


def test_a_tensor_on_the_device_may_be_an_item_many_times_over():
    class Near(Addressed):
        def is_on_device(self, leaf):
            return True

    item = torch.ones(3)
    lane = Lane(Near(), make_steps([(0, Stage(lambda x: x))], "cpu:0"), 3, is_ahead=False)
    assert [lane.feed([(k, item, 0)]).error for k in range(3)] == [None] * 3


def test_host_buffers_lie_on_the_host_whatever_the_default_device_is():
    with torch.device("meta"):
        assert CpuBackend().host_buffer(8).device.type == "cpu"


def test_the_old_buffer_is_gone_before_a_larger_one_is_asked_for():
    backend = CpuBackend()
    made = []

    def allocate(nbytes):
        assert not [buffer for buffer in made if buffer() is not None]
        storage = backend.host_buffer(nbytes)
        made.append(weakref.ref(storage))
        return storage

    packing = Packing(backend, allocate)
    for size in (4, 8, 100):
        (view,) = packing.views([torch.ones(size)])
        assert view.shape == (size,)
        assert packing.span.numel() == 4 * size
        del view
    assert len(made) == 3


def test_an_item_that_there_was_no_memory_for_spoils_the_slot_for_nobody_else():
    backend = CpuBackend()
    asked = []

    def allocate(nbytes):
        asked.append(nbytes)
        if len(asked) == 2:
            raise MemoryError
        return backend.host_buffer(nbytes)

    packing = Packing(backend, allocate)
    packing.views([torch.ones(4)])
    with pytest.raises(MemoryError):
        packing.views([torch.ones(100)])
    (view,) = packing.views([torch.ones(4)])
    assert view.shape == (4,)
    assert packing.span.numel() == 16
