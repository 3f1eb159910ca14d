"""A predicted change is data as well as text: what applies it gets what the text says."""

from __future__ import annotations

import functools

import pytest
from unit.virtual import Lab

from pytest_pipeline.model.change import Change
from pytest_pipeline.model.fan import Fan
from pytest_pipeline.model.plan import Stage, make_plan
from pytest_pipeline.tuning import tune


def test_a_prediction_applied_to_the_plan_reaches_what_was_predicted():
    lab = Lab(cores=8.0)
    comparison = lab.compare()
    best = next(each for each in comparison["threads"].what_ifs if each.setting.workers)
    changed = best.setting.applied(comparison.plan)
    measured = lab.compare(changed.stages)["threads"].speedup.value
    assert measured == pytest.approx(best.predicted_speedup, rel=0.02)
    assert best.setting.code() == best.code


def test_every_prediction_but_that_of_chunks_can_be_applied():
    for each in Lab(cores=8.0).compare()["threads"].what_ifs:
        assert (each.setting is None) == ("chunk=" in each.code)


def test_a_change_names_what_differs_and_leaves_the_rest():
    plan = make_plan([Stage(len, name="a"), Stage(sum, name="b", workers=2, queue_size=3, batch=4)])
    change = Change(workers={"a": 3}, queue_size={"b": 5}, batch={"b": 8})
    first, second = change.applied(plan).stages
    assert (first.workers, first.queue_size, first.batch) == (3, 16, None)
    assert (second.workers, second.queue_size, second.batch) == (2, 5, 8)
    assert change.code() == "Stage(a, workers=3), Stage(b, queue_size=5, batch=8)"
    assert Change(pool=4).code("Processes") == "Processes(workers=4)"
    assert Change().is_nothing
    assert Change().words() == "as declared"


# --- what to write


def parse(item):
    return item


class Loader:
    def __call__(self, item):
        return item

    def load(self, item):
        return item

    @staticmethod
    def check(item):
        return item


@pytest.mark.parametrize(
    ("stage", "label"),
    [
        (lambda item: item, "lambda"),
        (functools.partial(parse), "parse"),
        (Loader(), "Loader"),
        (Loader().load, "load"),
        (Loader.check, "check"),
        (Stage(parse, name="parse orders"), "parse orders"),
        (Fan([parse, str], join=max), "fan(parse, str)"),
    ],
)
def test_a_stage_that_the_code_does_not_call_by_its_label_is_named_in_words(stage, label):
    change = Change(workers={label: 2}, queue_size={label: 4})
    assert change.code(plan=make_plan([stage])) == f"workers=2, queue_size=4 for stage {label!r}"


def test_the_second_use_of_a_function_is_told_from_the_first():
    plan = make_plan([parse, parse])
    change = Change(workers={"parse": 3, "parse#2": 2})
    assert change.code(plan=plan) == "Stage(parse, workers=3), workers=2 for stage 'parse#2'"


@pytest.mark.parametrize("function", [parse, functools.lru_cache(parse), len, Loader])
def test_what_has_a_name_of_its_own_is_written_by_it(function):
    (name,) = (plan := make_plan([function])).names
    assert Change(workers={name: 2}).code(plan=plan) == f"Stage({name}, workers=2)"


def test_what_a_stage_declares_besides_is_written_again():
    def embed(values):
        return values

    stages = [parse, Stage(embed, workers=3, queue_size=4, batch=32, device="cpu")]
    plan = make_plan(stages)
    wider = Change(workers={"embed": 4}).code(plan=plan)
    assert wider == 'Stage(embed, workers=4, queue_size=4, batch=32, device="cpu")'
    pasted = eval(wider, {"Stage": Stage, "embed": embed})
    assert pasted == Change(workers={"embed": 4}).applied(plan).stages[1]
    longer = Change(queue_size={"parse": 9}, batch={"embed": 64}).code(plan=plan)
    assert longer == (
        'Stage(parse, queue_size=9), Stage(embed, workers=3, queue_size=4, batch=64, device="cpu")'
    )


def test_predictions_write_what_gives_the_setting_when_it_is_pasted():
    lab = Lab()

    def embed(values):
        lab.machine.work(0.004)
        return list(values)

    stages = [lab.stage("fetch", 0.001), Stage(embed, name="rank", batch=4), Stage(embed, batch=4)]
    codes = {each.code for each in lab.compare(stages)["threads"].what_ifs}
    assert {"Stage(embed, workers=2, batch=4)", "workers=2 for stage 'rank'"} <= codes
    assert "batch=8 for stage 'rank', Stage(embed, batch=8)" in codes


def test_the_tuned_setting_repeats_the_batch_too():
    lab = Lab(cores=8.0)

    def embed(values):
        lab.machine.work(0.004)
        return list(values)

    made = tune(
        [Stage(embed, batch=4)],
        range(40),
        executors=[lab.threads],
        baseline=lab.serial,
        machine=lab.machine,
        most_workers=2,
    )
    assert made.best.code == "Stage(embed, workers=2, batch=4)"
