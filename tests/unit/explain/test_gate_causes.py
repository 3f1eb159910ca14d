"""Causes and next steps of gates on efficiency, overlap and first result."""

from __future__ import annotations

import numpy as np

from pytest_pipeline.explain.ceiling import Line
from pytest_pipeline.explain.gate_causes import efficiency_advice


def line(services_ms: dict[str, float]) -> Line:
    """Return 40 even items on one worker per stage, waiting all the time."""
    count = len(services_ms)
    service_s = np.full((40, count), [1e-3 * each for each in services_ms.values()])
    return Line(
        names=tuple(services_ms),
        service_s=service_s,
        workers=(1,) * count,
        queue_sizes=(16,) * count,
        cpu_shares=(0.0,) * count,
        gil_shares=(0.0,) * count,
        cores=2.0,
        serial_s=float(service_s.sum()),
    )


def test_items_that_come_too_slowly_are_no_stage_to_give_a_worker():
    slow_items = line({"source": 2.0, "fetch": 1.0, "parse": 1.0})
    assert efficiency_advice("", slow_items).next_step == ""


def test_where_the_items_come_from_is_no_worker_in_a_predicted_efficiency():
    step = efficiency_advice("", line({"fetch": 1.0, "parse": 2.0, "store": 1.0})).next_step
    assert step == "Stage(parse, workers=2) is predicted to reach 93 %"
    with_source = line({"source": 0.0, "fetch": 1.0, "parse": 2.0, "store": 1.0})
    assert efficiency_advice("", with_source).next_step == step
