"""What a diagnosis finds out, on a scripted device with a clock of its own: parts, both ways, and nothing that fails a run."""

import inspect
import warnings

import pytest
from scripted_device import Block, Script, ScriptedDevice

from pytest_pipeline.executors._device.alone import AloneBackend
from pytest_pipeline.executors._device.backend import Backend as BackendProtocol
from pytest_pipeline.executors._device.diagnosis import diagnose

SCRIPT = Script(inward=2, outward=3, host=1, kernel=5_000)


def blocks(*sizes):
    return [Block("host", each) for each in sizes]


def double(values):
    return values


def ring_of_one(items, *, devices=("cuda:0",), stages=(double,)):
    """What the executor does with one slot: in, copy, launch, copy, out."""

    def run(backend):
        for k, item in enumerate(items):
            stream = backend.stream(devices[k % len(devices)])
            host = backend.host_buffer(item.nbytes)
            near = backend.view(host, 0, item)
            backend.host_copy(near, item)
            there = backend.span(
                backend.device_buffer(stream.device, item.nbytes, stream), item.nbytes
            )
            backend.copy(stream, there, backend.span(host, item.nbytes))
            value = there
            for stage in stages:
                value = backend.launch(stream, stage, value)
            back = backend.view(backend.host_buffer(item.nbytes), 0, item)
            backend.copy(stream, back, value)
            backend.taken_out(back)
        return len(items)

    return run


def diagnosis(run, *, cuda=None, devices=("cuda:0",), backend=None):
    backend = backend or ScriptedDevice(SCRIPT)
    return diagnose(
        run,
        backend,
        devices,
        cuda=cuda,
        stage_of=lambda fn: fn.__name__,
        now_ns=backend.now_ns,
    )


ITEMS = blocks(1000, 2000, 6000)


def test_every_part_has_its_own_time_bytes_first_and_last_item():
    (found,) = diagnosis(ring_of_one(ITEMS))
    assert (found.device, found.num_items) == ("cuda:0", 3)
    shown = {
        part.name: (part.total_s, part.median_s, part.first_s, part.last_s, part.bytes)
        for part in found.parts
    }
    assert shown == {
        name: tuple(pytest.approx(each * 1e-9) for each in times) + (moved,)
        for name, times, moved in (
            ("stage-in", (9000, 2000, 1000, 6000), 9000),
            ("H2D", (18000, 4000, 2000, 12000), 9000),
            ("kernels", (15000, 5000, 5000, 5000), 0),
            ("D2H", (27000, 6000, 3000, 18000), 9000),
            ("stage-out", (9000, 2000, 1000, 6000), 9000),
        )
    }


def test_several_stages_of_an_item_are_one_part_of_it():
    (found,) = diagnosis(ring_of_one(ITEMS, stages=(double, double)))
    kernels = next(part for part in found.parts if part.name == "kernels")
    assert kernels.median_s == pytest.approx(2 * SCRIPT.kernel * 1e-9)


def test_both_ways_copies_the_bytes_of_all_the_items():
    (found,) = diagnosis(ring_of_one(ITEMS))
    assert found.both_ways_s == pytest.approx((18000 + 27000) * 1e-9)


def test_replicas_are_told_apart_with_their_own_items():
    found = diagnosis(ring_of_one(blocks(*[1000] * 5), devices=("cuda:0", "cuda:1")))
    assert [(each.device, each.num_items) for each in found] == [("cuda:0", 3), ("cuda:1", 2)]
    for each in found:
        assert [part.name for part in each.parts] == [
            "stage-in",
            "H2D",
            "kernels",
            "D2H",
            "stage-out",
        ]


def test_items_that_never_leave_the_device_have_kernels_only():
    def run(backend):
        stream = backend.stream("cuda:0")
        for _ in range(4):
            backend.launch(stream, double, [0])
        return 4

    (found,) = diagnosis(run)
    (kernels,) = found.parts
    assert (kernels.name, found.both_ways_s) == ("kernels", None)
    assert kernels.median_s == kernels.first_s == pytest.approx(SCRIPT.kernel * 1e-9)


def test_every_operation_waits_for_an_idle_device_first():
    backend = ScriptedDevice(SCRIPT)
    diagnosis(ring_of_one(ITEMS[:1]), backend=backend)
    assert backend.synchronized >= 3


def test_a_stage_that_raises_leaves_a_note_and_no_error():
    def broken(values):
        raise ValueError("bad row")

    (found,) = diagnosis(ring_of_one(ITEMS, stages=(broken,)))
    assert found.parts == ()
    assert found.notes == ("the parts were not measured alone: ValueError: bad row",)


class Cuda:
    mode = 0

    def get_sync_debug_mode(self):
        return self.mode

    def set_sync_debug_mode(self, mode):
        self.mode = {"warn": 1}.get(mode, mode)


def test_a_call_that_waits_is_named_with_its_stage():
    cuda = Cuda()

    def peek(values):
        if cuda.mode == 1:
            warnings.warn("called a synchronizing CUDA operation", UserWarning, stacklevel=1)
        return values

    (found,) = diagnosis(ring_of_one(ITEMS, stages=(peek,)), cuda=cuda)
    (call,) = found.sync_calls
    assert (call.stage, call.count) == ("peek", 3)
    assert "test_device_diagnosis.py:" in call.location
    assert cuda.mode == 0


def test_without_the_debug_mode_calls_that_wait_are_unknown_and_not_none():
    assert diagnosis(ring_of_one(ITEMS))[0].sync_calls is None
    assert diagnosis(ring_of_one(ITEMS), cuda=Cuda())[0].sync_calls == ()


def test_a_backend_around_a_backend_is_called_the_same_way():
    own = {name for name in vars(AloneBackend) if not name.startswith("_")}
    protocol = {name for name in vars(BackendProtocol) if not name.startswith("_")}
    assert {"copy", "launch", "host_copy", "taken_out", "view", "span"} <= own <= protocol
    for name in own:
        ours = inspect.signature(getattr(AloneBackend, name)).parameters
        theirs = inspect.signature(getattr(BackendProtocol, name)).parameters
        assert list(ours) == list(theirs), name
