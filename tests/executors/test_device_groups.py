"""Small items packed into one copy: fewer copies, the same outputs, no waiting for what has not come."""

import pytest
from hypothesis import given, strategies as st
from sim_plans import (
    NAMES,
    PLANS,
    any_plan,
    assert_in_order,
    double,
    expected,
    few_examples,
    values,
)

from pytest_pipeline.errors import UsageError
from pytest_pipeline.executors.cuda import Cuda, CudaSerial
from pytest_pipeline.model.plan import Source, Stage, make_plan
from pytest_pipeline.testing.device import Costs, SimulatedDevices
from pytest_pipeline.testing.sim_streams import Kernel

COUNT = 24
NBYTES = 256  # what a slot aligns to: no gaps


def simulated(stages, *, batch_bytes=4 * NBYTES, count=COUNT, drop=None, failure=None, **kwargs):
    sim = SimulatedDevices(Costs(stage_in=1, h2d=2, d2h=1, peer=1, submission=10_000), names=NAMES)
    sim.drop, sim.failure = drop, failure
    items = [sim.tensor(k, NBYTES) for k in range(count)]
    executor = Cuda(devices=["sim:0"], backend=sim, batch_bytes=batch_bytes)
    running = executor.open(make_plan(stages, timeout_s=30.0))
    try:
        return sim, running.run(Source(lambda: iter(items), **kwargs))
    finally:
        running.close()


@pytest.mark.parametrize("plan", PLANS)
def test_small_items_go_in_with_a_copy_per_group_and_come_out_in_order(plan):
    sim, trace = simulated(PLANS[plan])
    assert values(trace) == expected(PLANS[plan], COUNT)
    assert sim.counts["h2d"] < COUNT / 2
    assert sim.counts["d2h"] == COUNT
    assert sim.races == []


def test_where_a_copy_costs_more_to_submit_than_to_make_groups_are_faster():
    stages = [Kernel(double, ns=5)]
    # As many as may be in flight: they all wait already.
    alone, _ = simulated(stages, batch_bytes=None, count=12)
    packed, _ = simulated(stages, count=12)
    assert alone.counts["h2d"] == 12
    assert packed.counts["h2d"] == 3
    # The copies back stay one by one: they are what is left.
    assert packed.makespan_ns < alone.makespan_ns


@pytest.mark.parametrize("kind", ["wait_event", "synchronize", "take_over"])
@pytest.mark.parametrize("plan", PLANS)
def test_any_one_edge_that_is_left_out_is_caught_with_groups_too(plan, kind):
    count = simulated(PLANS[plan])[0].counts[f"{kind} edges"]
    assert count > 0
    unnoticed = [k for k in range(count) if not simulated(PLANS[plan], drop=(kind, k))[0].races]
    assert unnoticed == []


@few_examples
@given(
    plan=any_plan,
    batch_bytes=st.integers(1, 200),
    in_flight=st.one_of(st.none(), st.integers(1, 5)),
)
def test_any_plan_ends_with_all_its_outputs_in_order_and_no_group_waits_for_ever(
    plan, batch_bytes, in_flight
):
    trace = assert_in_order(plan, in_flight=in_flight, batch_bytes=batch_bytes)
    if in_flight is not None:
        assert (trace.admitted_ns[in_flight:] >= trace.emitted_ns[:-in_flight]).all()


def test_an_item_with_nothing_behind_it_is_sent_alone():
    sim, trace = simulated([Kernel(double)], in_flight=1)
    assert values(trace) == expected([double], COUNT)
    assert sim.counts["h2d"] == COUNT


def test_the_items_of_a_group_share_its_time_and_leave_together():
    _, trace = simulated(PLANS["one device"], in_flight=4)
    visits = trace.visits
    for worker in set(visits.worker.tolist()):
        mine = visits.worker == worker
        spans = sorted(
            zip(visits.started_ns[mine].tolist(), visits.finished_ns[mine].tolist(), strict=True)
        )
        assert all(end <= begin for (_, end), (begin, _) in zip(spans, spans[1:], strict=False))
    assert len(visits) == 2 * COUNT
    assert (visits.started_ns >= visits.enqueued_ns).all()


# --- errors


def breaks_at(bad, error):
    def stage(value):
        if value == bad:
            raise error
        return value

    return Kernel(stage)


def test_an_error_inside_a_group_names_its_own_item():
    error = ValueError("six")
    stages = [Stage(Kernel(double), name="first"), Stage(breaks_at(12, error), name="second")]
    with pytest.raises(ValueError, match="six") as caught:
        simulated(stages)
    assert caught.value is error
    assert caught.value.__notes__ == ["stage 'second', item 6"]


def test_a_collected_error_ends_its_item_and_not_its_group():
    stages = [Kernel(double), Stage(breaks_at(12, ValueError("six")), name="second")]
    sim, trace = simulated(stages, collects_errors=True)
    assert trace.failed_items == (6,)
    assert values(trace) == [2 * k for k in range(COUNT) if k != 6]
    assert sim.counts["h2d"] < COUNT / 2
    assert sim.races == []
    assert (trace.visits.item == 6).sum() == 2


def test_an_item_that_failed_meets_no_later_stage():
    error = ValueError("six")
    stages = [Stage(breaks_at(6, error), name="first"), Stage(Kernel(double), name="second")]
    _, trace = simulated(stages, collects_errors=True)
    assert [(each.item, each.stage) for each in trace.failures] == [(6, "first")]
    assert (trace.visits.item == 6).sum() == 1
    assert values(trace) == [2 * k for k in range(COUNT) if k != 6]


@pytest.mark.parametrize("operation", ["host_copy", "h2d", "taken_out"])
def test_an_error_of_the_device_names_all_the_items_that_travelled(operation):
    error = RuntimeError("device lost its way")
    with pytest.raises(RuntimeError) as caught:
        simulated([Stage(Kernel(double), name="model")], failure=(operation, 0, error))
    assert caught.value is error
    assert caught.value.__notes__ == ["stage 'model', items 0 to 3"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Cuda(batch_bytes=0), "Cuda: batch_bytes"),
        (lambda: Cuda(batch_bytes=1, graphs=True), "leave one of them out"),
    ],
)
def test_a_declaration_that_cannot_work_says_why(make, message):
    with pytest.raises(UsageError, match=message):
        make()


# --- on CPU stand-ins


def double_all(item):
    return {**item, "a": double(item["a"])} if isinstance(item, dict) else double(item)


@pytest.mark.parametrize("devices", [["cpu:0"], ["cpu:0", "cpu:1"]], ids=["ring", "replicas"])
def test_tensors_arrays_and_containers_in_groups_are_bit_equal(opened, source, devices):
    torch = pytest.importorskip("torch")
    plain = [torch.arange(8.0) + k for k in range(20)]
    nested = [{"a": torch.ones(k % 3 + 1), "k": k} for k in range(20)]
    running = opened(Cuda(devices=devices, batch_bytes=200), [double_all, double_all])
    outputs = running.run(source(plain)).outputs
    assert all(torch.equal(a, 4 * b) for a, b in zip(outputs, plain, strict=True))
    trace = running.run(source(nested))
    for ours, item in zip(trace.outputs, nested, strict=True):
        assert torch.equal(ours["a"], 4 * item["a"])
        assert ours["k"] == item["k"]
    assert sum(each.num_items for each in trace.devices) == 20


def test_an_array_beside_tensors_of_its_shape_comes_back_as_an_array(opened, source):
    torch = pytest.importorskip("torch")
    items = [torch.ones(4), torch.ones(4), torch.ones(4).numpy(), torch.ones(4)]
    outputs = opened(Cuda(devices=["cpu:0"], batch_bytes=1000), [double]).run(source(items)).outputs
    assert [type(each).__name__ for each in outputs] == ["Tensor", "Tensor", "ndarray", "Tensor"]


def test_a_diagnosis_says_that_it_looked_at_items_one_by_one(opened, source):
    torch = pytest.importorskip("torch")
    running = opened(Cuda(devices=["cpu:0"], batch_bytes=1000), [double])
    (found,) = running.diagnose(source([torch.ones(4)] * 3))
    assert found.notes == (
        "parts were measured with a copy per item; the execution copies small items in together",
    )


def test_groups_of_batches_are_refused_with_the_way_out(opened):
    pytest.importorskip("torch")
    with pytest.raises(UsageError, match="leave batch_bytes out"):
        opened(Cuda(devices=["cpu:0"], batch_bytes=1000), [Stage(lambda xs: xs, batch=2)])


# --- on a device


@pytest.mark.cuda
@pytest.mark.parametrize("is_pinned", [True, False], ids=["pinned", "pageable"])
def test_small_items_in_groups_on_a_gpu_are_bit_equal_to_its_one_stream_baseline(is_pinned):
    torch = pytest.importorskip("torch")
    cause = Cuda().unavailable()
    if cause is not None:
        pytest.skip(f"executor 'cuda' cannot run here: {cause}")
    items = [torch.rand(5000) for _ in range(60)]
    items = [item.pin_memory() for item in items] if is_pinned else items
    outputs = []
    for executor in (CudaSerial(), Cuda(batch_bytes=200_000)):
        running = executor.open(make_plan([double, torch.sqrt]))
        try:
            outputs.append(running.run(Source(lambda: iter(items))).outputs)
        finally:
            running.close()
    assert all(torch.equal(a, b) for a, b in zip(*outputs, strict=True))
