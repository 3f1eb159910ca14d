"""The simulated plan behaves like the pictures one draws by hand."""

import math

import numpy as np
import pytest

from pytest_pipeline.stats.flow import closed_form_speedup, simulate

INF = math.inf


def test_three_equal_stages_overlap_like_the_textbook_picture():
    flow = simulate([[1, 1, 1]] * 4, [1, 1, 1], [16, 16, 16])
    assert flow.finished_s == (3, 4, 5, 6)
    assert flow.makespan_s == 6
    assert flow.busy_s == (4, 4, 4)
    assert flow.blocked_s == (0, 0, 0)
    assert flow.starved_s == (2, 2, 2)


def test_the_slowest_stage_sets_the_pace():
    flow = simulate([[1, 3, 1]] * 10, [1, 1, 1], [INF] * 3)
    assert flow.makespan_s == 5 + 9 * 3
    assert np.diff(flow.finished_s) == pytest.approx(3)


def test_workers_on_the_slowest_stage_remove_the_bottleneck():
    flow = simulate([[1, 3, 1]] * 30, [1, 3, 1], [INF] * 3)
    assert flow.makespan_s == 5 + 29 * 1


def test_a_full_queue_blocks_the_stage_before_it():
    flow = simulate([[1, 4]] * 3, [1, 1], [INF, 1])
    # stage 0 ends at 1, 2, 3; the queue takes item 1 at 2; item 2 is held from 3 to 5
    assert flow.makespan_s == 1 + 3 * 4
    assert flow.blocked_s == (2, 0)
    assert flow.busy_s == (3, 12)


def test_without_a_queue_an_item_is_held_until_the_next_worker_is_idle():
    flow = simulate([[1, 4]] * 3, [1, 1], [INF, 0])
    assert flow.blocked_s == (6, 0)
    assert flow.makespan_s == 13


def test_items_overtake_where_a_stage_has_several_workers():
    flow = simulate([[5, 1], [1, 1], [1, 1]], [2, 1], [INF, INF])
    assert flow.finished_s == (6, 2, 3)


def test_one_item_in_flight_is_the_serial_loop():
    services = np.random.default_rng(1).random((20, 4))
    flow = simulate(services, [2] * 4, [INF] * 4, in_flight=1)
    assert flow.makespan_s == pytest.approx(services.sum())
    assert flow.finished_s == pytest.approx(services.sum(axis=1).cumsum())


def test_in_flight_bounds_how_many_services_overlap():
    flow = simulate([[1, 1, 1, 1]] * 20, [1] * 4, [INF] * 4, in_flight=2)
    assert sum(flow.busy_s) / flow.makespan_s <= 2
    assert flow.makespan_s == 41


def test_on_one_core_computing_stages_gain_nothing():
    flow = simulate([[1, 1]] * 10, [1, 1], [INF] * 2, cores=1)
    assert flow.makespan_s == pytest.approx(20)


def test_on_one_core_waiting_stages_still_overlap():
    flow = simulate([[1, 1]] * 10, [1, 1], [INF] * 2, cores=1, cpu_share=[0, 0])
    assert flow.makespan_s == pytest.approx(11)


def test_half_waiting_stages_share_one_core_without_loss():
    flow = simulate([[1, 1]] * 10, [1, 1], [INF] * 2, cores=1, cpu_share=[0.5, 0.5])
    assert flow.makespan_s == pytest.approx(11)


def test_three_half_waiting_stages_stretch_until_the_core_is_full():
    # stretch x with 3 x 0.5 / (0.5 + 0.5 x) = 1 is 2: speed 2/3 while all three are active
    flow = simulate([[1.0]] * 3, [3], [INF], cores=1, cpu_share=[0.5])
    assert flow.makespan_s == pytest.approx(1.5)
    assert flow.busy_s == pytest.approx((4.5,))


def test_the_gil_lets_numpy_stages_overlap_but_not_python_stages():
    python = simulate([[1, 1, 1]] * 20, [1] * 3, [INF] * 3, cores=1, cpu_share=[1, 1, 1])
    numpy = simulate([[1, 1, 1]] * 20, [1] * 3, [INF] * 3, cores=1, cpu_share=[0.1, 0.1, 0.1])
    assert python.makespan_s == pytest.approx(60)
    assert numpy.makespan_s == pytest.approx(22)


def test_stages_that_hold_one_lock_throughout_gain_nothing_however_many_cores():
    flow = simulate([[1, 1]] * 10, [1, 1], [INF] * 2, lock_share=[1, 1])
    assert flow.makespan_s == pytest.approx(20)


def test_a_stage_that_holds_the_lock_overlaps_with_one_that_does_not():
    flow = simulate([[1, 1]] * 10, [1, 1], [INF] * 2, cores=2, lock_share=[1, 0])
    assert flow.makespan_s == pytest.approx(11)


def test_two_workers_that_hold_the_lock_for_half_of_their_service_fill_it_and_lose_nothing():
    flow = simulate([[1]] * 10, [2], [INF], cpu_share=[0.5], lock_share=[0.5])
    assert flow.makespan_s == pytest.approx(5)


def test_three_workers_that_want_half_of_the_lock_each_stretch_until_it_is_full():
    # y with 3 x 0.5 / (0.5 + 0.5 y) = 1 is 2
    flow = simulate([[1.0]] * 3, [3], [INF], cpu_share=[0.5], lock_share=[0.5])
    assert flow.makespan_s == pytest.approx(1.5)


def test_short_cores_stretch_what_runs_under_the_lock_too():
    # Two services of pure computing share one core; that one of them holds a lock changes nothing.
    flow = simulate([[1, 1]] * 10, [1, 1], [INF] * 2, cores=1, lock_share=[1, 0])
    assert flow.makespan_s == pytest.approx(20)


def test_no_items_take_no_time():
    flow = simulate([], [1, 1], [4, 4])
    assert flow.makespan_s == 0
    assert flow.finished_s == ()
    assert flow.starved_s == (0, 0)


def test_stages_that_take_no_time_are_allowed():
    assert simulate([[0, 0]] * 5, [1, 1], [1, 1]).makespan_s == 0
    assert simulate([[0, 1]] * 5, [1, 1], [0, 0], cores=1).makespan_s == pytest.approx(5)


def test_the_closed_form_tends_to_sum_over_max():
    assert closed_form_speedup([1, 2, 3], 1) == 1
    assert closed_form_speedup([10, 20, 15], 40) == pytest.approx(40 * 45 / (45 + 39 * 20))
    assert closed_form_speedup([1, 2, 3], 10**9) == pytest.approx(2)


@pytest.mark.parametrize(("sums", "n"), [([1.0], 0), ([], 3), ([0.0, 0.0], 3), ([2.0, -1.0], 3)])
def test_a_closed_form_without_items_or_time_is_refused(sums, n):
    with pytest.raises(ValueError):
        closed_form_speedup(sums, n)


GOOD = {"service_s": [[1, 1]], "workers": [1, 1], "queue_sizes": [1, 1]}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"workers": [1]}, "per stage"),
        ({"workers": [], "queue_sizes": [], "service_s": []}, "at least one"),
        ({"service_s": [[1]]}, "per stage"),
        ({"workers": [1, 0]}, "workers"),
        ({"queue_sizes": [1, -1]}, "queue_sizes"),
        ({"queue_sizes": [1, math.nan]}, "queue_sizes"),
        ({"service_s": [[1, -1]]}, "negative"),
        ({"service_s": [[1, math.inf]]}, "infinite"),
        ({"in_flight": 0}, "in_flight"),
        ({"cores": 0}, "cores"),
        ({"cores": 1, "cpu_share": [0.5]}, "cpu_share"),
        ({"cores": 1, "cpu_share": [0.5, 1.5]}, "cpu_share"),
        ({"cpu_share": [0.5, 0.5], "lock_share": [0.6, 0]}, "exceeds"),
        ({"lock_share": [1]}, "lock_share"),
    ],
)
def test_plans_that_cannot_be_simulated_are_refused_by_name(change, named):
    with pytest.raises(ValueError, match=named):
        simulate(**(GOOD | change))
