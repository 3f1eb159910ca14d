"""Virtual executors tell of items that fail what real ones tell."""

import pytest
from unit.virtual import Lab

from pytest_pipeline.model.plan import Source, make_plan


def run_with_failures(arm, *bad):
    lab = Lab()

    def parse(item):
        lab.machine.work(0.001)
        if item in bad:
            raise ValueError(item)
        return item

    running = getattr(lab, arm).open(make_plan([parse]))
    return running.run(Source(lambda: iter(range(3)), collects_errors=True))


@pytest.mark.parametrize("arm", ["serial", "threads"])
def test_an_item_that_fails_is_not_the_first_result(arm):
    trace = run_with_failures(arm, 0)
    assert trace.first_result_s == pytest.approx(0.002)
    assert (trace.outputs, trace.failed_items) == ([1, 2], (0,))


@pytest.mark.parametrize("arm", ["serial", "threads"])
def test_without_any_output_the_first_result_is_the_end(arm):
    trace = run_with_failures(arm, 0, 1, 2)
    assert trace.first_result_ns == trace.ended_ns
    assert trace.outputs == []
