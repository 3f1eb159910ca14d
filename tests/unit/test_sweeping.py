"""`sweep`: a grid of settings on virtual time."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from unit.virtual import Lab, Notes

from pytest_pipeline.errors import UsageError
from pytest_pipeline.model.plan import Stage
from pytest_pipeline.model.sweep import Sweep
from pytest_pipeline.sweeping import sweep


def swept(lab: Lab | None = None, **options: Any) -> Sweep:
    lab = lab or Lab(cores=4.0)
    options = {"workers": [1, 2, 4], "executors": [lab.threads]} | options
    return sweep(lab.stages(), range(40), baseline=lab.serial, machine=lab.machine, **options)


def test_every_worker_count_is_measured_against_the_same_baseline():
    made = swept()
    assert [point.workers for point in made.points] == [1, 2, 4]
    speedups = [point.speedup.value for point in made.points if point.speedup]
    assert speedups == sorted(speedups)
    # 40 items, 1 + 2 + 1 ms, one worker each: n x sum / (sum + (n - 1) x max)
    assert speedups[0] == pytest.approx(40 * 4 / (4 + 39 * 2), rel=0.01)
    assert {round(point.baseline_s or 0, 6) for point in made.points} == {0.16}


def test_no_point_of_a_sweep_executes_or_samples_for_predictions_that_nobody_reads(monkeypatch):
    lab = Lab(cores=4.0, cpu_share=1.0)
    for name in (
        "pytest_pipeline.measure.measurement.sample_shipping",
        "unit.virtual.FakeMachine.gil_shares",
    ):
        monkeypatch.setattr(name, _never)
    assert len(swept(lab).points) == 3


def _never(*_: object) -> None:
    raise AssertionError("sampled")


def test_the_best_point_is_the_fastest_one():
    assert swept().best.workers == 4


def test_queue_sizes_multiply_the_grid():
    made = swept(workers=[1, 2], queue_size=[1, 16])
    assert [(point.queue_size, point.workers) for point in made.points] == [
        (1, 1),
        (1, 2),
        (16, 1),
        (16, 2),
    ]


def in_batches(lab: Lab) -> list[Stage]:
    """A call costs 8 ms and another 1 ms per item."""

    def embed(values):
        lab.machine.work(0.008 + 0.001 * len(values))
        return list(values)

    return [lab.stage("fetch", 0.001), Stage(embed, name="embed", batch=4)]


def test_batch_sizes_multiply_the_grid_and_what_they_buy_is_told_apart_from_the_workers():
    lab = Lab(cores=4.0)
    made = sweep(
        in_batches(lab),
        range(40),
        workers=[1, 2],
        batch_size=[4, 8],
        executors=[lab.threads],
        baseline=lab.serial,
        machine=lab.machine,
    )
    assert [(point.batch_size, point.workers) for point in made.points] == [
        (4, 1),
        (4, 2),
        (8, 1),
        (8, 2),
    ]
    assert [point.batch_gain for point in made.points[:2]] == [1.0, 1.0]
    # 10 batches of 4 + 12 ms against 5 of 8 + 16 ms
    assert made.points[2].batch_gain == pytest.approx(160 / 120, rel=0.01)
    assert made.best.batch_size == 8
    assert made.best.total_speedup == pytest.approx(160 / made.best.makespan_s / 1000, rel=0.01)
    assert list(made.to_frame()["batch_size"]) == [4, 4, 8, 8]


def test_the_largest_speedup_is_not_the_best_setting_when_its_baseline_was_slower():
    lab = Lab(cores=16.0)
    made = sweep(
        in_batches(lab),
        range(64),
        workers=[4],
        batch_size=[1, 32],
        executors=[lab.threads],
        baseline=lab.serial,
        machine=lab.machine,
    )
    one, many = made.points
    assert one.speedup.value > many.speedup.value
    assert made.best is many


def test_a_batch_size_for_a_plan_without_batches_is_refused():
    with pytest.raises(UsageError, match="no stage takes batches; declare which one does"):
        swept(batch_size=[4])


def test_scaling_is_relative_to_the_executors_own_single_worker():
    (scaling,) = swept().scalings
    assert scaling.executor == "threads"
    assert scaling.serial_share < 0.1
    assert scaling.contention is not None


def test_without_a_single_worker_nothing_is_extrapolated():
    assert swept(workers=[2, 4]).scalings == ()


def test_a_frame_has_one_row_per_point():
    frame = swept(workers=[1, 2]).to_frame()
    assert list(frame["workers"]) == [1, 2]
    assert frame["speedup"].iloc[1] > frame["speedup"].iloc[0]
    assert frame["efficiency"].iloc[0] == pytest.approx(frame["speedup"].iloc[0] / 3)


@pytest.mark.parametrize(
    ("executors", "measured"), [(["serial", "threads"], {"threads"}), (["serial"], set())]
)
def test_the_baseline_among_the_executors_is_no_point_of_its_own(executors, measured):
    lab = Lab()
    extra = {"serial": lab.serial, "threads": lab.threads}
    made = swept(lab, executors=executors, extra_executors=extra)
    assert {point.executor for point in made.points} == measured


def test_an_executor_that_cannot_run_here_is_named_and_the_rest_measured():
    class Absent:
        name = "absent"

        def workers(self, plan):
            return 1

        def unavailable(self):
            return "no such device"

        def open(self, plan):
            raise AssertionError("must not be opened")

    lab = Lab(cores=4.0)
    made = swept(lab, workers=[1], executors=[lab.threads, Absent()])
    assert made.unavailable == {"absent": "no such device"}
    assert [point.executor for point in made.points] == ["threads"]


def test_progress_says_which_setting_is_measured():
    lab = Lab(cores=4.0)
    swept(lab, workers=[1, 2], observer=Notes(lab))
    assert any(text.startswith("sweep 2 of 2 (workers=2): ") for text in lab.progress)


@pytest.mark.parametrize("workers", [[], [0], ["2"], 2, "12", [True]])
def test_a_grid_that_means_nothing_is_refused_before_measuring(workers):
    with pytest.raises(UsageError, match="expected a list of whole numbers from 1"):
        swept(workers=workers)


def test_a_grid_of_hundreds_of_settings_is_refused():
    with pytest.raises(UsageError, match="at most 200"):
        swept(workers=list(range(1, 30)), queue_size=list(range(1, 30)))


def test_wrong_outputs_stop_the_sweep_and_name_the_setting():
    lab = Lab(cores=4.0)
    calls: list[int] = []

    def drifting(item):
        calls.append(item)
        return len(calls)

    with pytest.raises(UsageError, match=r"sweep stopped at workers=1: wrong result"):
        sweep(
            [drifting], range(5), executors=[lab.threads], baseline=lab.serial, machine=lab.machine
        )


def test_points_are_frozen_records():
    with pytest.raises(dataclasses.FrozenInstanceError):
        swept(workers=[1]).points[0].workers = 3
