"""What other batch sizes are predicted to give, and what they then give."""

from __future__ import annotations

from dataclasses import replace

import pytest
from unit.virtual import Lab, speedup

from pytest_pipeline.executors.batches import open_plan
from pytest_pipeline.explain.advice import next_step
from pytest_pipeline.explain.batch_sizes import other_batch_sizes
from pytest_pipeline.explain.ceiling import Host
from pytest_pipeline.explain.profiled import Profiled
from pytest_pipeline.measure.untimed.half_batches import halved
from pytest_pipeline.model.change import Change
from pytest_pipeline.model.ledger import Ledger, LedgerRow
from pytest_pipeline.model.plan import Source, Stage, make_plan
from pytest_pipeline.model.whatif import HalfBatches


def in_batches(lab: Lab, size: int, *, call_s: float = 0.008, seen: list[int] | None = None):
    """A call costs 8 ms, whatever it takes, and another 1 ms per item."""

    def embed(values):
        if seen is not None:
            seen.append(len(values))
        lab.machine.work(call_s + 0.001 * len(values))
        return list(values)

    return [lab.stage("fetch", 0.001), Stage(embed, name="embed", batch=size)]


def arm_of(lab: Lab, stages, **options):
    return lab.compare(stages, requirements=[speedup(9.0)], **options)["threads"]


def batch_rows(arm):
    return {
        each.setting.batch["embed"]: each
        for each in arm.what_ifs
        if each.setting and each.setting.batch
    }


@pytest.mark.parametrize("size", [2, 8])
def test_the_speedup_and_throughput_predicted_for_half_and_double_are_what_they_then_give(size):
    lab = Lab()
    now = arm_of(lab, in_batches(lab, 4))
    foreseen = batch_rows(now)[size]
    other = Lab()
    then = arm_of(other, in_batches(other, size))
    assert foreseen.predicted_speedup == pytest.approx(then.speedup.value, rel=0.03)
    gain = then.throughput_per_s / now.throughput_per_s
    assert f"batches of {size} for 'embed': {gain:.1f}" in foreseen.change


def test_the_cost_of_a_call_is_named_as_what_larger_batches_save():
    lab = Lab()
    basis = batch_rows(arm_of(lab, in_batches(lab, 4)))[8].basis
    assert basis.startswith("8.00 ms of 'embed' per call is there however many items it takes")


def test_batches_whose_calls_cost_nothing_are_predicted_to_gain_no_throughput():
    lab = Lab()
    row = batch_rows(arm_of(lab, in_batches(lab, 4, call_s=0.0)))[8]
    assert 0.8 < row.throughput_gain <= 1.0  # the pipeline fills and drains in larger pieces


def batches_of_four(**changed) -> Profiled:
    """Return an arm that took batches of 4, with these changes of its trace."""
    lab = Lab(cores=4.0)
    made = lab.compare(in_batches(lab, 4))
    half = halved(made.plan)
    return Profiled(
        plan=made.plan,
        baseline=made["serial"].trace,
        trace=replace(made["threads"].trace, **changed),
        width=2,
        host=Host(cores=4.0, gil_shares={}),
        half_batches=HalfBatches(
            half, open_plan(lab.serial, half).run(Source(lambda: iter(range(40))))
        ),
    )


def test_workers_that_run_all_the_stages_save_the_same_per_call():
    rows = tuple(
        LedgerRow(name, workers) for name, workers in [("fetch", 0), ("embed", 0), ("all", 2)]
    )
    twice = list(other_batch_sizes(batches_of_four(ledger=Ledger(rows, 1.0))))[1]
    # Two workers: 10 batches of 4 + 4 + 8 ms against 5 of 8 + 8 + 8 ms, the third round half empty
    assert twice.predicted_speedup == pytest.approx(5 * 24 / (3 * 24))


def test_batches_that_travel_two_at_a_time_cost_the_same_per_call():
    twice = list(other_batch_sizes(batches_of_four(handed_over=8)))[1]
    assert twice.basis.startswith("8.00 ms of 'embed' per call")
    # What travels is then one call of 8 + 8 ms, and 8 ms of fetch before it; serial 5 x 24 ms
    assert twice.predicted_speedup == pytest.approx(5 * 24 / (24 + 4 * 16))


def test_a_size_that_only_slows_the_baseline_down_is_never_the_next_step():
    lab = Lab()
    arm = arm_of(lab, in_batches(lab, 4))
    half = replace(batch_rows(arm)[2], predicted_speedup=9.0)
    assert half.throughput_gain < 1

    def step(*more):
        return next_step(replace(arm, what_ifs=(*arm.what_ifs, *more)), 9.0)

    assert step(half) == step()
    assert step(replace(half, throughput_gain=1.1)).startswith("Stage(embed, batch=2)")


def test_no_batch_larger_than_declared_is_ever_executed():
    seen: list[int] = []
    lab = Lab()
    arm_of(lab, in_batches(lab, 4, seen=seen))
    assert {*seen} == {2, 4}


def test_more_than_all_the_items_in_one_batch_is_not_predicted():
    lab = Lab()
    assert {*batch_rows(arm_of(lab, in_batches(lab, 24), items=range(40)))} == {12}


@pytest.mark.parametrize("size", [1, 3])
def test_an_odd_batch_has_no_half_and_no_prediction(size):
    lab = Lab()
    assert not batch_rows(arm_of(lab, in_batches(lab, size)))


def test_a_stage_that_refuses_half_a_batch_is_only_not_predicted():
    lab = Lab()

    def exactly_four(values):
        assert len(values) == 4
        lab.machine.work(0.004)
        return list(values)

    made = lab.compare([Stage(exactly_four, name="embed", batch=4)], requirements=[speedup(1.5)])
    assert not batch_rows(made["threads"])
    assert [finding.verdict.value for finding in made.findings] == ["missed"]


def test_outputs_that_depend_on_the_batch_are_no_mismatch():
    lab = Lab()

    def count(values):
        lab.machine.work(0.004)
        return [len(values)] * len(values)

    made = lab.compare([Stage(count, name="embed", batch=4)], requirements=[speedup(0.5)])
    assert [finding.verdict.value for finding in made.findings] == ["met"]
    assert {*batch_rows(made["threads"])} == {2, 8}


def test_what_is_predicted_can_be_applied_as_data():
    lab = Lab()
    row = batch_rows(arm_of(lab, in_batches(lab, 4)))[8]
    assert row.code == "Stage(embed, batch=8)"
    plan = make_plan(in_batches(lab, 4))
    assert row.setting == Change(batch={"embed": 8})
    assert row.setting.applied(plan).stages[1] == replace(plan.stages[1], batch=8)
