"""How many visits are in service at once, from the order of their starts and ends."""

import numpy as np
import pytest

from pytest_pipeline.stats.overlap import mean_overlap, most_in_service


def readings(*visits):
    table = np.array(visits, dtype=np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def test_a_serial_loop_has_exactly_one():
    assert mean_overlap(*readings((0, 3), (3, 4), (9, 12))) == 1.0
    assert most_in_service(*readings((0, 3), (3, 4), (9, 12))) == 1


def test_workers_that_always_work_count_in_full_one_after_the_other_or_in_step():
    left, right = [(k, k + 2) for k in range(0, 20, 2)], [(k, k + 2) for k in range(1, 21, 2)]
    assert mean_overlap(*readings(*left, *right)) == 2.0
    assert mean_overlap(*readings(*left, *left, *left)) == 3.0


def test_a_visit_sees_the_fullest_moment_between_its_start_and_its_end():
    long, short = (0, 10), [(1, 3), (2, 4), (6, 7)]
    assert mean_overlap(*readings(long, *short)) == pytest.approx((3 + 3 + 3 + 2) / 4)
    assert most_in_service(*readings(long, *short)) == 3


def test_a_visit_that_ended_at_the_same_reading_is_over():
    assert mean_overlap(*readings((0, 5), (5, 9))) == 1.0


def test_visits_shorter_than_a_tick_of_the_clock_overlap_nothing():
    assert mean_overlap(*readings((4, 4), (4, 4), (4, 4))) == 1.0
    assert mean_overlap(*readings((4, 4), (0, 9), (5, 9))) == pytest.approx((1 + 2 + 2) / 3)
    assert most_in_service(*readings((4, 4))) == 1


def test_without_visits_nothing_is_in_service():
    assert mean_overlap(*readings()) == 0.0
    assert most_in_service(*readings()) == 0
