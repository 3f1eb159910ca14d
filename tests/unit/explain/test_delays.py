"""What the other workers delay a stage by: nothing is computed in it, and it goes with their number."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_pipeline.explain.ceiling import Line

DELAYS = np.array([0.003, 0.001])


def line(*workers: int) -> Line:
    return Line(
        names=("fetch", "parse"),
        service_s=np.full((20, 2), [0.002, 0.001]),
        workers=workers,
        queue_sizes=(16, 16),
        cpu_shares=(1.0, 0.7),
        gil_shares=(0.3, 0.0),
        cores=2.0,
        serial_s=0.06,
    )


def test_a_delay_takes_time_and_no_core():
    delayed = line(1, 1).delayed(DELAYS)
    assert delayed.service_s[0] == pytest.approx([0.005, 0.002])
    assert np.array(delayed.cpu_shares) * delayed.service_s[0] == pytest.approx([0.002, 0.0007])
    assert np.array(delayed.gil_shares) * delayed.service_s[0] == pytest.approx([0.0006, 0.0])


def test_a_stage_without_service_that_is_delayed_computes_nothing():
    empty = Line(("wait",), np.zeros((20, 1)), (3,), (16,), (1.0,), (1.0,), 2.0, 0.0)
    delayed = empty.delayed(np.array([0.001]))
    assert delayed.cpu_shares == delayed.gil_shares == (0.0,)
    assert delayed.staffed((2,)).service_s[0] == pytest.approx([0.0005])


def test_a_lone_worker_keeps_what_it_was_measured_to_wait():
    alone = Line(("wait",), np.full((20, 1), 0.002), (1,), (16,), (1.0,), (0.0,), 2.0, 0.04)
    delayed = alone.delayed(np.array([0.001]))
    assert delayed.staffed((1,)).service_s[0] == pytest.approx([0.003])
    assert delayed.widened(0).staffed((1,)).service_s[0] == pytest.approx([0.003])


@pytest.mark.parametrize(("workers", "share"), [((1, 1), 1 / 3), ((1, 2), 2 / 3), ((3, 4), 2.0)])
def test_half_of_the_others_delay_half_as_long(workers, share):
    changed = line(2, 2).delayed(DELAYS).staffed(workers)
    assert changed.workers == workers
    assert changed.service_s[0] == pytest.approx([0.002, 0.001] + share * DELAYS)


def test_whichever_way_the_workers_come_about_the_prediction_is_the_same():
    declared = line(2, 2).delayed(DELAYS)
    one_by_one = declared.staffed((1, 1)).widened(0).widened(1)
    assert one_by_one.makespan_s() == pytest.approx(declared.makespan_s())
    assert declared.widened(0, 1).makespan_s() == pytest.approx(
        declared.widened(0).widened(1).makespan_s()
    )
    assert one_by_one.cpu_shares == pytest.approx(declared.cpu_shares)
