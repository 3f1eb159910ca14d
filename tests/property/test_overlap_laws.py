"""Laws of the overlap: order alone counts, and worker slots bound it."""

import heapq

import numpy as np
from hypothesis import given, strategies as st

from pytest_pipeline.stats.overlap import mean_overlap, most_in_service

visits = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)), min_size=1, max_size=60)
lengths = st.lists(st.integers(1, 30), min_size=1, max_size=60)


def readings(made):
    started = np.array([start for start, _ in made], dtype=np.int64)
    return started, started + np.array([length for _, length in made], dtype=np.int64)


def by_definition(made):
    """For each visit, the largest number of lasting visits that hold one moment of it."""
    lasting = [(start, start + length) for start, length in made if length]
    moments = [start for start, _ in lasting]

    def held(moment):
        return sum(start <= moment < end for start, end in lasting)

    fullest = [max(held(at) for at in moments if start <= at < end) for start, end in lasting]
    return (sum(fullest) + len(made) - len(lasting)) / len(made)


@given(visits)
def test_it_is_what_the_definition_says(made):
    assert mean_overlap(*readings(made)) == by_definition(made)


@given(visits, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_says_nothing(made, random):
    shuffled = random.sample(made, len(made))
    assert mean_overlap(*readings(made)) == mean_overlap(*readings(shuffled))


@given(visits, st.integers(-1000, 1000), st.integers(1, 50))
def test_a_clock_that_runs_otherwise_but_in_order_changes_nothing(made, shift, factor):
    started, finished = readings(made)

    def other_clock(reading):
        return (reading**3) * factor + reading + shift

    assert mean_overlap(other_clock(started), other_clock(finished)) == mean_overlap(
        started, finished
    )


@given(visits)
def test_at_least_the_visit_itself_and_at_most_all_are_in_service(made):
    mean, most = mean_overlap(*readings(made)), most_in_service(*readings(made))
    assert 1 <= mean <= most <= len(made)


@given(lengths, st.integers(1, 8))
def test_worker_slots_bound_it_and_slots_that_never_rest_reach_it(service, slots):
    free = [0] * slots
    made = []
    for length in service:
        start = heapq.heappop(free)
        made.append((start, length))
        heapq.heappush(free, start + length)
    mean = mean_overlap(*readings(made))
    assert mean <= slots
    if len(made) <= slots:
        assert mean == len(made)


@given(lengths)
def test_a_serial_loop_has_one_whatever_its_items_take(service):
    ends = np.cumsum(service)
    assert mean_overlap(ends - np.array(service), ends) == 1.0
