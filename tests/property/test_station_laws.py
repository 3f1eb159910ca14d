"""Laws of the bound of a device: never above what a schedule needs, reached when all items are alike."""

import math

import pytest
from hypothesis import given, strategies as st

from pytest_pipeline.stats.flow import simulate
from pytest_pipeline.stats.stations import StationTimes, shortest_makespan, station_times

times = st.floats(0, 10).map(lambda t: round(t, 3))


@st.composite
def lines(draw, *, constant=False):
    """Rows per item, columns stage-in, H2D, kernels, D2H, stage-out."""
    stations = draw(st.integers(1, 5))
    row = st.lists(times, min_size=stations, max_size=stations)
    n = draw(st.integers(1, 20))
    return [draw(row)] * n if constant else draw(st.lists(row, min_size=n, max_size=n))


def bound(rows):
    return shortest_makespan([station_times(column) for column in zip(*rows, strict=True)])


def makespan(rows, **limits):
    width = len(rows[0])
    return simulate(rows, [1] * width, [math.inf] * width, **limits).makespan_s


@given(lines())
def test_no_schedule_beats_the_bound(rows):
    assert bound(rows) <= makespan(rows) + 1e-6


@given(lines(constant=True))
def test_items_that_are_all_alike_reach_the_bound(rows):
    assert bound(rows) == pytest.approx(makespan(rows), abs=1e-6)
    assert bound(rows) == pytest.approx(sum(rows[0]) + (len(rows) - 1) * max(rows[0]), abs=1e-6)


@given(lines())
def test_the_bound_holds_every_sum_and_every_first_and_last_item_whole(rows):
    for column in zip(*rows, strict=True):
        assert bound(rows) >= math.fsum(column) - 1e-6
    assert bound(rows) >= max(sum(rows[0]), sum(rows[-1])) - 1e-6


@given(lines(), st.integers(1, 4))
def test_fewer_slots_only_move_away_from_the_bound(rows, slots):
    assert bound(rows) <= makespan(rows, in_flight=slots) + 1e-6


def test_a_copy_that_limits_is_not_counted_once_too_often():
    h2d, kernels, d2h = 4.0, 1.0, 2.0
    rows = [[h2d, kernels, d2h]] * 10
    assert bound(rows) == 10 * h2d + kernels + d2h
    assert bound(rows) < 10 * h2d + h2d + d2h


@pytest.mark.parametrize("bad", [[], [-1.0], [math.inf], [math.nan]])
def test_times_that_cannot_be_are_refused(bad):
    with pytest.raises(ValueError, match="finite and not negative"):
        station_times(bad)


def test_no_station_at_all_is_refused():
    with pytest.raises(ValueError, match="at least one station"):
        shortest_makespan([])


def test_one_item_takes_its_whole_way():
    assert shortest_makespan([StationTimes(2.0, 2.0, 2.0), StationTimes(3.0, 3.0, 3.0)]) == 5.0
