"""Laws of the simulated plan: conservation, bounds, and where more resources cannot hurt."""

import math

import pytest
from hypothesis import given, strategies as st

from pytest_pipeline.stats.flow import closed_form_speedup, simulate

sizes = st.one_of(st.integers(0, 4), st.just(math.inf))
times = st.floats(0, 10).map(lambda t: round(t, 3))


up_to_four = st.integers(1, 4)
one = st.just(1)


@st.composite
def plans(draw, *, workers=up_to_four, constant=False):
    stages = draw(st.integers(1, 5))
    n = draw(st.integers(1, 25))
    row = st.lists(times, min_size=stages, max_size=stages)
    rows = [draw(row)] * n if constant else draw(st.lists(row, min_size=n, max_size=n))
    return {
        "service_s": rows,
        "workers": draw(st.lists(workers, min_size=stages, max_size=stages)),
        "queue_sizes": draw(st.lists(sizes, min_size=stages, max_size=stages)),
    }


@st.composite
def shared_plans(draw):
    plan = draw(plans())
    stages = len(plan["workers"])
    shares = draw(st.lists(st.floats(0, 1), min_size=stages, max_size=stages))
    in_flight = draw(st.one_of(st.none(), st.integers(1, 8)))
    return plan | {"cores": draw(st.floats(0.5, 8)), "cpu_share": shares, "in_flight": in_flight}


def stage_sums(plan):
    return [math.fsum(column) for column in zip(*plan["service_s"], strict=True)]


def slack(flow):
    return 1e-9 * (1 + flow.makespan_s)


def assert_no_slower_with(what, plan, at, more):
    """Ask for `more` workers or places in the queue at one stage."""
    counts = list(plan[what])
    counts[at % len(counts)] += more
    before = simulate(**plan)
    after = simulate(**(plan | {what: counts}))
    assert after.makespan_s <= before.makespan_s + slack(before)


@given(plans(workers=one, constant=True))
def test_with_constant_times_and_single_workers_the_closed_form_is_exact_for_any_queue(plan):
    row, n = plan["service_s"][0], len(plan["service_s"])
    flow = simulate(**plan)
    assert flow.makespan_s == pytest.approx(sum(row) + (n - 1) * max(row), abs=1e-9)
    if sum(row) > 0.1:
        assert n * sum(row) / flow.makespan_s == pytest.approx(closed_form_speedup(row, n))


@given(shared_plans())
def test_every_second_of_every_worker_is_accounted_for(plan):
    flow = simulate(**plan)
    for workers, *parts in zip(
        plan["workers"], flow.busy_s, flow.blocked_s, flow.starved_s, strict=True
    ):
        assert math.fsum(parts) == pytest.approx(workers * flow.makespan_s, abs=1e-6)
        assert min(parts) >= 0


@given(plans())
def test_without_shared_cores_a_stage_is_busy_for_exactly_its_service(plan):
    assert simulate(**plan).busy_s == pytest.approx(stage_sums(plan), abs=1e-6)


@given(shared_plans())
def test_no_plan_beats_its_bottleneck_its_longest_item_or_its_cores(plan):
    flow = simulate(**plan)
    bottleneck = max(s / w for s, w in zip(stage_sums(plan), plan["workers"], strict=True))
    longest = max(math.fsum(row) for row in plan["service_s"])
    pairs = zip(plan["cpu_share"], stage_sums(plan), strict=True)
    cpu = math.fsum(share * total for share, total in pairs) / plan["cores"]
    assert flow.makespan_s >= max(bottleneck, longest, cpu) - slack(flow)


@given(shared_plans())
def test_every_item_ends_after_its_own_service_and_the_last_one_ends_the_run(plan):
    flow = simulate(**plan)
    assert max(flow.finished_s) == flow.makespan_s
    for row, finished in zip(plan["service_s"], flow.finished_s, strict=True):
        assert finished >= math.fsum(row) - slack(flow)


@given(plans())
def test_no_plan_without_sharing_is_slower_than_the_serial_loop(plan):
    flow = simulate(**plan)
    assert flow.makespan_s <= math.fsum(stage_sums(plan)) + slack(flow)


@given(plans(), st.lists(st.floats(0, 1), min_size=5, max_size=5))
def test_plenty_of_cores_is_the_same_as_no_limit(plan, shares):
    shares = shares[: len(plan["workers"])]
    free = simulate(**plan)
    assert simulate(**plan, cores=sum(plan["workers"]), cpu_share=shares) == free


@given(plans())
def test_one_item_in_flight_is_the_serial_loop(plan):
    flow = simulate(**plan, in_flight=1)
    assert flow.makespan_s == pytest.approx(math.fsum(stage_sums(plan)), abs=1e-9)


@given(plans(workers=one))
def test_single_worker_stages_follow_the_textbook_recursion(plan):
    # D[i][s] = max(ready, D[i - 1 - queue][s + 1] start ...) as departures of blocking after service
    rows, stages = plan["service_s"], len(plan["workers"])
    left = []  # left[i][s]: when item i leaves stage s; start[i][s]: when its service starts
    start = []
    for i, row in enumerate(rows):
        start.append([0.0] * stages)
        left.append([0.0] * stages)
        for s in range(stages):
            ready = left[i][s - 1] if s else 0.0
            free = left[i - 1][s] if i else 0.0
            start[i][s] = max(ready, free)
            left[i][s] = start[i][s] + row[s]
            room = plan["queue_sizes"][s + 1] if s + 1 < stages else math.inf
            before = i - 1 - room  # the item whose start (queue) or exit (no queue) makes room
            if s + 1 < stages and before >= 0:
                gate = left[int(i - 1)][s + 1] if room == 0 else start[int(i - room)][s + 1]
                left[i][s] = max(left[i][s], gate)
    assert simulate(**plan).finished_s == pytest.approx([row[-1] for row in left], abs=1e-6)


# More workers or slots can slow a plan down where items overtake each other and their times differ:
# a short item then reaches the next stage first and a long one last (a scheduling anomaly, Graham
# 1969). Monotonicity is therefore claimed only where it is a theorem: for single-worker stages,
# whose recursion above is made of max and +, and for constant times, where overtaking changes nothing.


def test_a_second_worker_may_slow_uneven_items_down_by_letting_them_overtake():
    uneven = {"service_s": [[3, 3, 3], [2, 2, 0]], "queue_sizes": [1, 0, 1]}
    assert simulate(**uneven, workers=[1, 1, 1]).makespan_s == 9
    assert simulate(**uneven, workers=[2, 1, 1]).makespan_s == 10


def test_a_longer_queue_may_slow_uneven_items_down_by_letting_them_overtake():
    uneven = {"service_s": [[4, 4], [1, 3], [0, 3], [0, 3], [0, 1]], "workers": [2, 2]}
    assert simulate(**uneven, queue_sizes=[0, 0]).makespan_s == 8
    assert simulate(**uneven, queue_sizes=[0, 1]).makespan_s == 9


@given(plans(workers=one), st.integers(0, 4), st.integers(1, 3))
def test_a_longer_queue_never_slows_single_worker_stages(plan, at, more):
    assert_no_slower_with("queue_sizes", plan, at, more)


@given(plans(workers=one), st.integers(1, 6))
def test_more_in_flight_never_slows_single_worker_stages(plan, in_flight):
    before = simulate(**plan, in_flight=in_flight)
    after = simulate(**plan, in_flight=in_flight + 1)
    assert after.makespan_s <= before.makespan_s + slack(before)


@given(plans(constant=True), st.integers(0, 4))
def test_another_worker_never_slows_a_plan_of_even_items(plan, at):
    assert_no_slower_with("workers", plan, at, 1)


@given(plans(constant=True), st.integers(0, 4), st.integers(1, 3))
def test_a_longer_queue_never_slows_a_plan_of_even_items(plan, at, more):
    assert_no_slower_with("queue_sizes", plan, at, more)
