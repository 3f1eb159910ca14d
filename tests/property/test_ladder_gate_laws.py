"""Laws of the gates that bet on rounds: units, mirror images, disturbed rounds."""

from hypothesis import given, strategies as st

from pytest_pipeline.judge.gate import Errors, Status
from pytest_pipeline.judge.ladder import LadderGate
from pytest_pipeline.judge.readings import FirstResultReading, SpeedupReading, ThroughputReading
from pytest_pipeline.model.requirement import Quantity, Requirement
from pytest_pipeline.model.rounds import Phase, Round

# Eighths and powers of two: scaling and inverting them is exact, so that a law is not a rounding.
times = st.lists(
    st.tuples(*[st.sampled_from([0.25, 0.5, 1.0, 2.0, 4.0])] * 3), min_size=1, max_size=16
)
scales = st.sampled_from([0.125, 0.5, 2.0, 1024.0])


def rounds_of(pairs, *, items=64, clean=None):
    return [
        Round(
            index=k,
            phase=Phase.MEASURE,
            began_s=float(k),
            makespans_s={"serial": (1.0, 1.0, 1.0), "threads": seconds},
            first_results_s={"threads": seconds},
            num_items=items,
            is_clean=clean is None or clean[k],
        )
        for k, seconds in enumerate(pairs)
    ]


def decide(quantity, limit, reading, rounds):
    requirement = Requirement(quantity, limit, tolerance=0.0)
    gate = LadderGate(requirement, "threads", reading, errors=Errors())
    for each in rounds:
        gate.observe(each)
    return gate.status


@given(times, scales)
def test_first_results_in_another_unit_give_the_same_verdict(pairs, scale):
    scaled = [tuple(seconds * scale for seconds in each) for each in pairs]
    reading = FirstResultReading("threads")
    before = decide(Quantity.FIRST_RESULT, 1.0, reading, rounds_of(pairs))
    assert before is decide(Quantity.FIRST_RESULT, scale, reading, rounds_of(scaled))


@given(times, st.sampled_from([1, 2, 256]))
def test_as_many_times_the_items_and_the_demand_give_the_same_verdict(pairs, factor):
    reading = ThroughputReading("threads")
    one = decide(Quantity.THROUGHPUT, 64.0, reading, rounds_of(pairs, items=64))
    more = rounds_of(pairs, items=64 * factor)
    assert one is decide(Quantity.THROUGHPUT, 64.0 * factor, reading, more)


@given(times, st.sampled_from([1, 2, 4, 8]))
def test_an_efficiency_is_the_speedup_gate_with_the_limit_times_the_workers(pairs, workers):
    rounds = rounds_of(pairs)
    efficiency = decide(
        Quantity.EFFICIENCY,
        1.0 / workers,
        SpeedupReading("serial", "threads", workers=workers),
        rounds,
    )
    assert efficiency is decide(Quantity.SPEEDUP, 1.0, SpeedupReading("serial", "threads"), rounds)


@given(times)
def test_a_longest_time_is_the_mirror_image_of_a_least_throughput(pairs):
    rounds = rounds_of(pairs, items=1)
    by_time = decide(Quantity.FIRST_RESULT, 1.0, FirstResultReading("threads"), rounds)
    by_rate = decide(Quantity.THROUGHPUT, 1.0, ThroughputReading("threads"), rounds)
    assert by_time is by_rate


@given(times, st.lists(st.booleans(), min_size=16, max_size=16), st.floats(1e-6, 1e6))
def test_what_a_disturbed_round_measured_says_nothing(pairs, clean, anything):
    reading = ThroughputReading("threads")
    other = [
        each if is_clean else (anything,) * 3 for each, is_clean in zip(pairs, clean, strict=False)
    ]
    before = decide(Quantity.THROUGHPUT, 64.0, reading, rounds_of(pairs, clean=clean))
    assert before is decide(Quantity.THROUGHPUT, 64.0, reading, rounds_of(other, clean=clean))


@given(times)
def test_disturbed_rounds_alone_decide_nothing(pairs):
    rounds = rounds_of(pairs, clean=[False] * len(pairs))
    status = decide(Quantity.FIRST_RESULT, 1.0, FirstResultReading("threads"), rounds)
    assert status is Status.OPEN


@given(times, st.randoms(use_true_random=False))
def test_the_order_of_the_sub_pairs_says_nothing(pairs, random):
    shuffled = [tuple(random.sample(each, 3)) for each in pairs]
    for quantity, limit, reading in (
        (Quantity.THROUGHPUT, 64.0, ThroughputReading("threads")),
        (Quantity.FIRST_RESULT, 1.0, FirstResultReading("threads")),
        (Quantity.EFFICIENCY, 0.5, SpeedupReading("serial", "threads", workers=2)),
    ):
        before = decide(quantity, limit, reading, rounds_of(pairs))
        assert before is decide(quantity, limit, reading, rounds_of(shuffled))
