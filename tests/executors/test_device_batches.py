"""Batched stages on devices, on CPU stand-ins: the batch is one copy, outputs and errors are those of serial."""

import pytest

from pytest_pipeline.errors import UsageError
from pytest_pipeline.executors.cuda import Cuda, CudaSerial
from pytest_pipeline.executors.protocol import Diagnosable
from pytest_pipeline.executors.serial import Serial
from pytest_pipeline.model.fan import Fan
from pytest_pipeline.model.plan import Stage

torch = pytest.importorskip("torch")

STAND_INS = {
    "ring": Cuda(devices=["cpu:0"]),
    "replicas": Cuda(devices=["cpu:0", "cpu:1"], slots=2),
    "baseline": CudaSerial(devices=["cpu:0"]),
}


@pytest.fixture(params=STAND_INS)
def stand_in(request):
    return STAND_INS[request.param]


def tensors(count):
    return [torch.arange(6.0).reshape(2, 3) + k for k in range(count)]


def scale(x):
    return x * 3


def minus_their_mean(xs):
    """An output depends on who shared the batch."""
    stacked = torch.stack(xs)
    return list(stacked - stacked.mean(0))


def fails_at(bad):
    def stage(xs):
        if any(x[0, 0] == bad for x in xs):
            raise ValueError("no")
        return xs

    return stage


@pytest.mark.parametrize("count", [0, 1, 4, 11])
def test_batches_of_tensors_come_back_bit_equal_to_serial(stand_in, opened, source, count):
    stages = [
        scale,
        Stage(minus_their_mean, batch=4),
        Stage(lambda x: x.sum(), device="cpu"),
        Stage(minus_their_mean, batch=2, name="again"),
    ]
    outputs = opened(stand_in, stages).run(source(tensors(count))).outputs
    expected = opened(Serial(), stages).run(source(tensors(count))).outputs
    assert len(outputs) == count
    assert all(torch.equal(a, b) for a, b in zip(outputs, expected, strict=True))


def test_the_tensors_of_a_batch_are_those_of_the_slot_and_travel_as_one_copy(opened, source):
    items, places = tensors(8), []
    running = opened(
        Cuda(devices=["cpu:0"], slots=1),
        [Stage(lambda xs: places.append([x.data_ptr() for x in xs]) or xs, batch=4)],
    )
    running.run(source(items))
    assert places[0] == places[1]
    assert not set(places[0]) & {item.data_ptr() for item in items}
    h2d = {part.name: part for part in running.diagnose(source(items))[0].parts}["H2D"]
    assert h2d.bytes >= sum(item.nbytes for item in items)


def test_arrays_in_batches_come_back_as_arrays(stand_in, opened, source):
    items = [item.numpy() for item in tensors(5)]
    outputs = opened(stand_in, [Stage(minus_their_mean, batch=2)]).run(source(items)).outputs
    assert {type(output).__name__ for output in outputs} == {"ndarray"}


def test_an_error_names_the_items_of_its_batch(stand_in, opened, source):
    running = opened(stand_in, [scale, Stage(fails_at(15.0), batch=4, name="model")])
    with pytest.raises(ValueError, match="no") as caught:
        running.run(source(tensors(12)))
    assert caught.value.__notes__ == ["stage 'model', items 4 to 7"]


def test_an_error_that_no_call_raised_names_the_items_that_travelled(opened, source, monkeypatch):
    from pytest_pipeline.executors._device.on_cpu import CpuBackend

    def lost(self, view):
        raise RuntimeError("device lost its way")

    monkeypatch.setattr(CpuBackend, "taken_out", lost)
    running = opened(Cuda(devices=["cpu:0"]), [Stage(minus_their_mean, batch=4, name="model")])
    with pytest.raises(RuntimeError) as caught:
        running.run(source(tensors(4)))
    assert caught.value.__notes__ == ["stage 'model', items 0 to 3"]


def test_a_collected_error_ends_its_batch_only(stand_in, opened, source):
    running = opened(stand_in, [scale, Stage(fails_at(15.0), batch=4)])
    trace = running.run(source(tensors(10), collects_errors=True))
    assert trace.failed_items == (4, 5, 6, 7)
    assert [float(x[0, 0]) for x in trace.outputs] == [0, 3, 6, 9, 24, 27]


def test_devices_are_told_in_items_and_can_be_looked_into(opened, source):
    running = opened(Cuda(devices=["cpu:0"]), [Stage(minus_their_mean, batch=4)])
    assert isinstance(running, Diagnosable)
    (found,) = running.diagnose(source(tensors(11)))
    assert (found.num_items, found.notes) == (11, ())
    assert running.run(source(tensors(11))).devices[0].num_items == 11


def test_workers_without_devices_do_not_pretend_to_know_any(opened):
    assert not isinstance(opened(Serial(), [Stage(minus_their_mean, batch=4)]), Diagnosable)


def test_a_fan_without_devices_of_its_own_works_beside_batches(stand_in, opened, source):
    stages = [Fan([scale, torch.neg], join=torch.add), Stage(minus_their_mean, batch=2)]
    outputs = opened(stand_in, stages).run(source(tensors(4))).outputs
    expected = opened(Serial(), stages).run(source(tensors(4))).outputs
    assert all(torch.equal(a, b) for a, b in zip(outputs, expected, strict=True))


def test_a_fan_over_devices_beside_batches_is_refused_with_both_ways_out(opened):
    stages = [
        Stage(Fan([scale, Stage(torch.neg, device="cpu:1")], join=torch.add), name="shards"),
        Stage(minus_their_mean, batch=2),
    ]
    with pytest.raises(UsageError, match=r"stage 'shards': branch 'neg' has device='cpu:1'"):
        opened(Cuda(devices=["cpu:0"]), stages)
