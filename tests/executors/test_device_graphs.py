"""Graphs per slot: recorded after the warm-up, replayed from then on, and given up by name; never on a GPU here."""

import pytest
import sim_plans
from sim_plans import add_one, double

from pytest_pipeline.executors._device.graphs import WARM_UP
from pytest_pipeline.executors.cuda import Cuda, CudaSerial
from pytest_pipeline.executors.serial import Serial
from pytest_pipeline.model.fan import Fan
from pytest_pipeline.model.plan import Source, Stage, make_plan
from pytest_pipeline.testing.device import Costs, SimulatedDevices
from pytest_pipeline.testing.sim_streams import Kernel

torch = pytest.importorskip("torch")

SLOTS = 3
COUNT = WARM_UP + 3 * SLOTS


PLANS = {name: sim_plans.PLANS[name] for name in ("one device", "in place", "across")}


def simulated(stages, *, drop=None, failure=None):
    sim = SimulatedDevices(Costs(stage_in=1, h2d=1, d2h=1, peer=1), names=("sim:0", "sim:1"))
    sim.drop, sim.failure = drop, failure
    running = Cuda(devices=["sim:0"], slots=SLOTS, graphs=True, backend=sim).open(
        make_plan(stages, timeout_s=30.0)
    )
    items = [sim.tensor(k, 10) for k in range(COUNT)]
    try:
        trace = running.run(Source(lambda: iter(items)))
    finally:
        running.close()
    return sim, trace


@pytest.mark.parametrize("plan", PLANS)
def test_each_slot_records_a_stage_once_and_replays_it_for_every_later_item(plan):
    stages = PLANS[plan]
    sim, trace = simulated(stages)
    assert sim.counts["launch"] == WARM_UP * len(stages)
    assert sim.counts["capture"] == SLOTS * len(stages)
    assert sim.counts["replay"] == (COUNT - WARM_UP) * len(stages)
    plus = len(stages) - 1
    assert [each.value for each in trace.outputs] == [2 * k + plus for k in range(COUNT)]
    assert sim.races == []
    assert trace.devices[0].notes == ()


@pytest.mark.parametrize("kind", ["wait_event", "synchronize", "take_over"])
@pytest.mark.parametrize("plan", PLANS)
def test_any_one_edge_that_is_left_out_is_caught_under_replays_too(plan, kind):
    count = simulated(PLANS[plan])[0].counts[f"{kind} edges"]
    assert count > 0
    unnoticed = [k for k in range(count) if not simulated(PLANS[plan], drop=(kind, k))[0].races]
    assert unnoticed == []


def test_a_recording_that_fails_leaves_the_stage_as_it_was_and_says_which_and_why():
    stages = [
        Stage(Kernel(double, ns=5), name="model"),
        Stage(Kernel(add_one, ns=5), name="head"),
    ]
    sim, trace = simulated(stages, failure=("capture", 0, RuntimeError("cannot record this")))
    assert [each.value for each in trace.outputs] == [2 * k + 1 for k in range(COUNT)]
    (note, *more) = trace.devices[0].notes
    assert note == (
        "no graph of stage 'model': RuntimeError: cannot record this; it was launched kernel by kernel"
    )
    assert sim.races == []
    assert len(more) <= 1  # what a plain stage makes has no fixed place: the next one is plain too


# --- on CPU stand-ins


def run(executor, stages, items, **kwargs):
    running = executor.open(make_plan(stages, timeout_s=30.0))
    try:
        return running.run(Source(lambda: iter(items), **kwargs))
    finally:
        running.close()


def tensors(count=COUNT, size=5):
    return [torch.arange(float(size)) + k for k in range(count)]


def with_graphs(**options):
    return Cuda(**{"devices": ["cpu:0"], "graphs": True, **options})


def counting():
    """A stand-in that counts what it launches and records."""
    from pytest_pipeline.executors._device.on_cpu import CpuBackend

    class Counting(CpuBackend):
        launched = captured = 0

        def launch(self, stream, fn, *values):
            self.launched += 1
            return super().launch(stream, fn, *values)

        def capture(self, stream, fn, value):
            self.captured += 1
            return super().capture(stream, fn, value)

    return Counting()


def first(output):
    return output[0] if isinstance(output, tuple) else output


def assert_equal(actual, expected):
    assert len(actual) == len(expected)
    assert all(torch.equal(a, b) for a, b in zip(actual, expected, strict=True))


@pytest.mark.parametrize("slots", [1, 2, 3])
@pytest.mark.parametrize(
    "stages",
    [
        [double, add_one],
        [lambda x: x.mul_(2), lambda x: x.t()],
        [lambda x: {"a": x, "b": (x + 1, x.sum())}, lambda d: d["a"] * d["b"][1]],
        [lambda x: x],
    ],
    ids=["plain", "in place", "containers", "itself"],
)
def test_replayed_stages_give_bit_for_bit_what_serial_gives(stages, slots):
    trace = run(with_graphs(slots=slots), stages, tensors())
    assert_equal(trace.outputs, run(Serial(), stages, tensors()).outputs)
    assert trace.devices[0].notes == ()


def test_a_second_run_replays_what_the_first_recorded(opened, source):
    backend = counting()
    running = opened(with_graphs(slots=2, backend=backend), [double])
    for _ in range(2):
        assert_equal(running.run(source(tensors())).outputs, [2 * x for x in tensors()])
        assert (backend.launched, backend.captured) == (WARM_UP, 2)


@pytest.mark.parametrize(
    ("stages", "items", "reason"),
    [
        ([double], tensors(9) + tensors(9, size=7), "its input changed shape, place or grad mode"),
        (
            [lambda d: d["x"] * 2],
            [{"x": x, "label": "a"} for x in tensors()],
            "what it takes holds more than tensors",
        ),
        ([lambda x: (x, 3)], tensors(), "what it returns holds more than tensors"),
        ([Fan([double, add_one], join=torch.add)], tensors(), "it is a fan"),
    ],
    ids=["shapes", "labels in", "numbers out", "fan"],
)
def test_what_cannot_be_replayed_is_launched_as_ever_with_its_reason(stages, items, reason):
    stages = [Stage(stages[0], name="model")]
    trace = run(with_graphs(), stages, items)
    expected = run(Serial(), stages, items).outputs
    assert_equal([first(each) for each in trace.outputs], [first(each) for each in expected])
    (note,) = trace.devices[0].notes
    assert note == f"no graph of stage 'model': {reason}; it was launched kernel by kernel"


def test_batches_are_launched_as_ever_with_a_reason(opened, source):
    running = opened(with_graphs(), [Stage(lambda xs: [2 * x for x in xs], batch=2, name="model")])
    trace = running.run(source(tensors(20)))
    assert_equal(trace.outputs, [2 * x for x in tensors(20)])
    assert "no graph of stage 'model': it stands in a plan with batch=" in trace.devices[0].notes[0]


def test_an_error_of_the_stage_itself_keeps_its_type_and_place():
    def breaks(x):
        if x[0] == 10:
            raise ValueError("ten")
        return x * 2

    with pytest.raises(ValueError, match="ten") as caught:
        run(with_graphs(slots=1), [Stage(breaks, name="model")], tensors(14))
    assert caught.value.__notes__ == ["stage 'model', item 10"]


def test_a_run_outside_inference_mode_may_follow_a_recorded_one_inside(opened, source):
    running = opened(with_graphs(), [double, add_one])
    with torch.inference_mode():
        running.run(source(tensors()))
    assert_equal(running.run(source(tensors())).outputs, [2 * x + 1 for x in tensors()])


def test_a_diagnosis_looks_at_replays_and_not_at_launches(opened, source):
    backend = counting()
    running = opened(with_graphs(backend=backend), [double])
    (found,) = running.diagnose(source(tensors(20)))
    assert backend.launched == WARM_UP
    assert [part.name for part in found.parts] == ["stage-in", "H2D", "kernels", "D2H", "stage-out"]
    assert (found.num_items, found.notes) == (20, ())


# --- on a device


@pytest.fixture
def device():
    cause = Cuda().unavailable()
    if cause is not None:
        pytest.skip(f"executor 'cuda' cannot run here: {cause}")


@pytest.mark.cuda
def test_many_tiny_kernels_replayed_on_a_gpu_give_what_launches_give(device):
    def tiny(x):
        for _ in range(200):
            x = x + 1
        return x

    items = [torch.rand(512, 512).pin_memory() for _ in range(40)]
    with torch.inference_mode():
        expected = run(CudaSerial(), [tiny], items).outputs
        trace = run(Cuda(graphs=True), [tiny], items)
    assert_equal(trace.outputs, expected)
    assert trace.devices[0].notes == ()


@pytest.mark.cuda
def test_a_stage_that_waits_cannot_be_recorded_on_a_gpu_and_runs_all_the_same(device):
    items = tensors(20)
    trace = run(Cuda(graphs=True), [Stage(lambda x: x * x.sum().item(), name="waits")], items)
    assert_equal(trace.outputs, [x * x.sum().item() for x in items])
    assert "no graph of stage 'waits'" in trace.devices[0].notes[0]
