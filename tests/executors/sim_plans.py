"""Plans for a simulated device, and any plan that Hypothesis can think of."""

from hypothesis import settings, strategies as st

from pytest_pipeline.executors.cuda import Cuda
from pytest_pipeline.model.fan import Fan
from pytest_pipeline.model.plan import Source, Stage, make_plan
from pytest_pipeline.testing.device import Costs, SimulatedDevices
from pytest_pipeline.testing.sim_streams import Kernel

NAMES = ("sim:0", "sim:1", "sim:2")


def double(value):
    return 2 * value


def add_one(value):
    return value + 1


ACROSS = [Kernel(double, ns=50), Stage(Kernel(add_one, ns=60), device="sim:1")]
FANNED = [
    Kernel(double, ns=10),
    Fan(
        [Kernel(add_one, ns=30), Stage(Kernel(double, ns=40), device="sim:1")],
        join=Kernel(lambda a, b: a + b, ns=5),
    ),
]
PLANS = {
    "one device": [Kernel(double, ns=50), Kernel(add_one, ns=20, is_in_place=True)],
    "in place": [Kernel(double, ns=50, is_in_place=True)],
    "across": ACROSS,
    "fan": FANNED,
}


def values(trace):
    return [getattr(each, "value", each) for each in trace.outputs]


def expected(stages, count):
    found = list(range(count))
    for stage in stages:
        found = [(stage.fn if isinstance(stage, Stage) else stage)(value) for value in found]
    return found


any_plan = st.fixed_dictionaries(
    {
        "count": st.integers(0, 15),
        "slots": st.integers(1, 4),
        "places": st.lists(st.sampled_from([None, "cpu", *NAMES]), min_size=1, max_size=4),
        "queue_size": st.integers(1, 3),
        "replicas": st.integers(1, 3),
        "sizes": st.lists(st.integers(1, 50), min_size=1, max_size=4),
    }
)
"""For `assert_in_order`."""

few_examples = settings(max_examples=25)


def assert_in_order(plan, *, in_flight=None, **options):
    """Run a drawn plan; its outputs come in order and nothing races."""
    sim = SimulatedDevices(Costs(stage_in=1, h2d=1, d2h=1), names=NAMES)
    places, sizes, count = plan["places"], plan["sizes"], plan["count"]
    stages = [
        Stage(
            (lambda item: item) if place == "cpu" else Kernel(add_one, ns=5),
            device=place,
            queue_size=plan["queue_size"],
        )
        for place in places
    ]
    items = [sim.tensor(k, sizes[k % len(sizes)]) for k in range(count)]
    devices = NAMES[: plan["replicas"]]
    executor = Cuda(devices=devices, slots=plan["slots"], backend=sim, **options)
    running = executor.open(make_plan(stages, timeout_s=30.0))
    try:
        trace = running.run(Source(lambda: iter(items), in_flight=in_flight))
    finally:
        running.close()
    on_device = sum(place != "cpu" for place in places)
    assert values(trace) == [k + on_device for k in range(count)]
    assert sim.races == []
    return trace
