"""The scheduler of devices on a simulated one: order, bounds, time by the closed form, and every edge needed."""

import gc
import threading
import weakref

import pytest
import sim_plans
from hypothesis import given
from sim_plans import (
    ACROSS,
    NAMES,
    add_one,
    any_plan,
    assert_in_order,
    double,
    expected,
    few_examples,
    values,
)

from pytest_pipeline.errors import StageTimeoutError
from pytest_pipeline.executors._device import poison
from pytest_pipeline.executors.cuda import Cuda, CudaSerial
from pytest_pipeline.model.plan import Source, Stage, make_plan
from pytest_pipeline.testing.device import Costs, SimulatedDevices
from pytest_pipeline.testing.sim_streams import Kernel

NUMBERS_ACROSS = [
    Kernel(double, ns=50, is_tensor=False),
    Stage(Kernel(add_one, ns=60), device="sim:1"),
]
PLANS = sim_plans.PLANS | {"numbers across": NUMBERS_ACROSS}


def run(sim, stages, count, *, slots=3, nbytes=10, executor=None, devices=("sim:0",), **kwargs):
    executor = executor or Cuda(devices=devices, slots=slots, backend=sim)
    items = [sim.tensor(k, nbytes, **kwargs) for k in range(count)]
    running = executor.open(make_plan(stages, timeout_s=30.0))
    try:
        return running.run(Source(lambda: iter(items)))
    finally:
        running.close()


def simulated(**costs):
    return SimulatedDevices(Costs(**costs), names=NAMES)


@pytest.mark.parametrize("slots", [1, 2, 3, 5])
@pytest.mark.parametrize("is_pinned", [True, False], ids=["pinned", "pageable"])
@pytest.mark.parametrize("plan", PLANS)
def test_outputs_come_in_order_and_nothing_races(plan, slots, is_pinned):
    sim = simulated(stage_in=3, h2d=2, d2h=2, stage_out=1, peer=1)
    trace = run(sim, PLANS[plan], 12, slots=slots, is_pinned=is_pinned)
    assert values(trace) == expected(PLANS[plan], 12)
    assert sim.races == []


def edges(plan, kind):
    """Return how many edges of a kind a run without faults has."""
    sim = simulated()
    run(sim, PLANS[plan], 8)
    return sim.counts[f"{kind} edges"]


@pytest.mark.parametrize("kind", ["wait_event", "synchronize", "take_over"])
@pytest.mark.parametrize("plan", PLANS)
def test_any_one_edge_that_is_left_out_is_caught(plan, kind):
    count = edges(plan, kind)
    assert count > 0
    unnoticed = []
    for number in range(count):
        sim = simulated()
        sim.drop = (kind, number)
        run(sim, PLANS[plan], 8)
        if not sim.races:
            unnoticed.append(number)
    assert unnoticed == []


def tandem(count, costs, *, slots):
    """Return the makespan of `count` equal items by the recurrence of the ring, and by the closed form."""
    stage_in, h2d, kernel, d2h, stage_out = costs
    ends = []
    free = [0] * 5
    for item in range(count):
        old = ends[item - slots] if item >= slots else [0] * 5
        a = max(free[0], old[1]) + stage_in
        b = max(free[1], a, old[3]) + h2d
        granted = max(a, old[4])
        c = max(free[2], b, granted) + kernel
        d = max(free[3], c) + d2h
        e = max(free[4], d) + stage_out
        free = [granted, b, c, d, e]
        ends.append([a, b, c, d, e])
    return ends[-1][4]


@pytest.mark.parametrize("slots", [1, 2, 3, 4, 6])
@pytest.mark.parametrize(
    "costs",
    [(3, 5, 70, 4, 2), (1, 9, 30, 2, 1), (2, 2, 20, 2, 2), (1, 2, 10, 9, 3), (9, 1, 5, 1, 1)],
)
def test_the_makespan_follows_the_recurrence_of_the_ring(costs, slots):
    stage_in, h2d, kernel, d2h, stage_out = costs
    sim = simulated(stage_in=stage_in, h2d=h2d, d2h=d2h, stage_out=stage_out)
    run(sim, [Kernel(double, ns=kernel)], 20, slots=slots)
    parts = (10 * stage_in, 10 * h2d, kernel, 10 * d2h, 10 * stage_out)
    assert sim.makespan_ns == tandem(20, parts, slots=slots)


@pytest.mark.parametrize(
    "costs", [(3, 5, 70, 4, 2), (1, 9, 30, 2, 1), (2, 2, 20, 2, 2), (1, 2, 10, 9, 3)]
)
def test_with_slots_enough_the_makespan_is_the_longest_part_and_the_first_and_last_items_way(costs):
    stage_in, h2d, kernel, d2h, stage_out = costs
    sim = simulated(stage_in=stage_in, h2d=h2d, d2h=d2h, stage_out=stage_out)
    run(sim, [Kernel(double, ns=kernel)], 20, slots=6)
    parts = (10 * stage_in, 10 * h2d, kernel, 10 * d2h, 10 * stage_out)
    assert sim.makespan_ns == 20 * max(parts) + sum(parts) - max(parts)


def test_the_baseline_takes_the_sum_of_all_the_parts():
    sim = simulated(stage_in=3, h2d=5, d2h=4, stage_out=2)
    trace = run(
        sim, [Kernel(double, ns=70)], 10, executor=CudaSerial(devices=["sim:0"], backend=sim)
    )
    assert values(trace) == [2 * k for k in range(10)]
    assert sim.makespan_ns == 10 * (30 + 50 + 70 + 40 + 20)


def test_nothing_is_allocated_once_every_slot_has_been_used():
    sim = simulated()
    run(sim, ACROSS, 3)
    few = sim.counts["allocate"]
    sim = simulated()
    run(sim, ACROSS, 50)
    assert sim.counts["allocate"] == few


@few_examples
@given(plan=any_plan)
def test_any_plan_ends_with_all_its_outputs_in_order(plan):
    assert_in_order(plan)


@pytest.mark.parametrize(
    ("operation", "stage"),
    [
        ("host_copy", "first"),
        ("h2d", "first"),
        ("launch", "second"),
        ("d2h", "second"),
        ("taken_out", "second"),
    ],
)
@pytest.mark.parametrize("number", [0, 5])
def test_an_error_at_any_step_is_the_original_one_with_its_place_and_the_next_run_works(
    operation, stage, number
):
    sim = simulated()
    plan = make_plan([Stage(Kernel(double), name="first"), Stage(Kernel(add_one), name="second")])
    error = RuntimeError("device lost its way")
    sim.failure = (operation, 2 * number + 1 if operation == "launch" else number, error)
    items = [sim.tensor(k, 8) for k in range(10)]
    running = Cuda(devices=["sim:0"], backend=sim).open(plan)
    try:
        with pytest.raises(RuntimeError) as caught:
            running.run(Source(lambda: iter(items)))
        assert caught.value is error
        assert caught.value.__notes__ == [f"stage {stage!r}, item {number}"]
        assert running._rings.lanes == []
        sim.failure = None
        again = running.run(Source(lambda: iter(items)))
        assert values(again) == [2 * k + 1 for k in range(10)]
        assert sim.races == []
        assert running.abandoned == ()
    finally:
        running.close()


def test_used_up_memory_says_what_the_slots_hold_and_what_to_do():
    sim = simulated()
    sim.failure = ("launch", 4, MemoryError("device out of memory"))
    with pytest.raises(MemoryError) as caught:
        run(sim, [Kernel(double)], 10, nbytes=1_000_000)
    assert "3 slots x 1.00 MB = 3.00 MB" in caught.value.__notes__[-1]
    assert "Cuda(slots=2)" in caught.value.__notes__[-1]
    assert sim.counts["empty_cache"] > 0


def test_copies_between_devices_say_which_way_they_went():
    sim = simulated()
    sim.apart = {("sim:1", "sim:2")}
    stages = [*ACROSS, Stage(Kernel(double), device="sim:2")]
    found = [each for run_ in run(sim, stages, 4).devices for each in run_.transfers]
    assert [(each.source, each.target, each.bytes, each.is_peer_access) for each in found] == [
        ("sim:0", "sim:1", 40, True),
        ("sim:1", "sim:2", 40, False),
    ]


def test_used_up_memory_is_free_again_while_the_error_is_still_looked_at():
    sim = simulated()
    running = Cuda(devices=["sim:0"], backend=sim).open(make_plan([Kernel(double)]))
    items = [sim.tensor(k, 8) for k in range(10)]
    try:
        running.run(Source(lambda: iter(items)))
        lane = weakref.ref(running._rings.lanes[0])
        sim.failure = ("launch", 14, MemoryError("device out of memory"))
        with pytest.raises(MemoryError) as caught:
            running.run(Source(lambda: iter(items)))
        assert caught.value.__traceback__ is not None
        assert lane() is None
    finally:
        running.close()


@pytest.fixture
def nobody_is_poisoned(monkeypatch):
    monkeypatch.setattr(poison, "_poison", None)


def test_what_lies_on_a_lost_device_is_never_freed_which_would_end_the_process(nobody_is_poisoned):
    pytest.importorskip("torch")  # an error is a device's where torch is there
    sim = simulated()
    running = Cuda(devices=["sim:0"], backend=sim).open(make_plan([Kernel(double)]))
    items = [sim.tensor(k, 8) for k in range(10)]
    running.run(Source(lambda: iter(items)))
    slot = weakref.ref(running._rings.lanes[0].slots[0])
    sim.failure = ("launch", 14, RuntimeError("CUDA error: device-side assert triggered"))
    with pytest.raises(RuntimeError, match="assert"):
        running.run(Source(lambda: iter(items)))
    running.close()
    gc.collect()
    assert slot() is not None
    assert sim.counts["empty_cache"] == 0


@pytest.mark.parametrize("plan", ["one device", "across"])
def test_closing_gives_back_the_memory_of_streams_that_nobody_will_use_again(plan):
    sim = simulated()
    running = Cuda(devices=["sim:0"], backend=sim).open(make_plan(PLANS[plan]))
    running.run(Source(lambda: iter([sim.tensor(k, 8) for k in range(10)])))
    lane = weakref.ref(running._rings.lanes[0])
    were_free = []
    sim.empty_cache = lambda: were_free.append(lane() is None)
    gc.disable()  # what only the collector frees comes too late
    try:
        running.close()
    finally:
        gc.enable()
    running.close()
    assert were_free == [True]


@pytest.mark.parametrize("count", [0, 5])
def test_closing_leaves_the_cache_alone_where_no_stage_was_on_a_device(count):
    sim = simulated()
    run(sim, [Stage(lambda item: item, device="cpu")], count)
    assert sim.counts["empty_cache"] == 0


def test_a_stage_that_never_ends_does_not_take_the_calling_thread_along():
    sim = simulated()
    gate = threading.Event()

    def hangs(value):
        gate.wait(60)
        return value

    # Outside the simulated device, whose lock belongs to everyone.
    sim.launch = lambda stream, fn, *values: hangs(values[0])
    running = Cuda(devices=["sim:0"], backend=sim).open(make_plan([hangs], timeout_s=0.2))
    try:
        with pytest.raises(StageTimeoutError, match="hangs"):
            running.run(Source(lambda: iter([sim.tensor(1, 8)])))
        assert len(running.abandoned) == 1
        assert sim.counts["empty_cache"] == 0
    finally:
        hung = [member.thread for member in running._crew._lost]
        gate.set()
        running.close()
        for thread in hung:
            thread.join(30)


def test_a_device_that_never_becomes_idle_ends_the_run_at_its_timeout():
    sim = simulated()
    gate = threading.Event()
    running = Cuda(devices=["sim:0"], backend=sim).open(make_plan([Kernel(double)], timeout_s=0.2))
    sim.synchronize = lambda device: gate.wait(60)
    try:
        with pytest.raises(StageTimeoutError):
            running.run(Source(lambda: iter([sim.tensor(1, 8)])))
    finally:
        hung = [member.thread for member in running._crew._lost]
        gate.set()
        running.close()
        for thread in hung:
            thread.join(30)


def test_a_result_that_is_let_go_before_it_was_copied_to_the_next_device_is_a_race(monkeypatch):
    from pytest_pipeline.executors._device import lane

    class Forgetful(list):
        def append(self, value):
            pass

    original = lane.Use.__init__

    def init(self, *args):
        original(self, *args)
        self.kept = Forgetful()

    monkeypatch.setattr(lane.Use, "__init__", init)
    sim = simulated(peer=100)
    run(sim, ACROSS, 8)
    assert sim.races
