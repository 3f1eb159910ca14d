"""Batched stages in a comparison: what batching buys is in both arms, what concurrency buys is measured."""

from __future__ import annotations

import numpy as np
import pytest
from unit.virtual import Lab, p99, speedup

from pytest_pipeline.model.finding import Verdict
from pytest_pipeline.model.plan import Stage
from pytest_pipeline.testing import VirtualExecutor


def embed(lab: Lab, *, batch: int, workers: int = 1) -> Stage:
    """A call costs 8 ms and another 1 ms per item."""

    def run(values):
        lab.machine.work(0.008 + 0.001 * len(values))
        return [float(np.float32(value)) for value in values]

    return Stage(run, name="embed", batch=batch, workers=workers)


def plan(lab: Lab, batch: int) -> list[Stage]:
    return [lab.stage("fetch", 0.002), embed(lab, batch=batch)]


def test_the_baseline_gets_full_batches_too_so_that_batching_is_no_speedup():
    lab = Lab(cores=4.0)
    comparison = lab.compare(plan(lab, 8), requirements=[speedup(1.5)])
    assert comparison["serial"].makespan_s == pytest.approx(5 * (0.016 + 0.016))
    # Five batches through two even stages: 5 x 2 / (2 + 4), far from the 9x of 40 single calls.
    assert comparison["threads"].speedup.value == pytest.approx(10 / 6, rel=0.02)
    assert comparison.findings[0].verdict is Verdict.MET


def test_the_ceiling_and_the_predictions_count_batches():
    lab = Lab(cores=4.0)
    comparison = lab.compare(plan(lab, 8), requirements=[speedup(3.0)])
    (current,) = [each for each in comparison["threads"].what_ifs if each.is_current]
    assert current.predicted_speedup == pytest.approx(10 / 6, rel=0.02)
    assert comparison.findings[0].verdict is Verdict.MISSED


def test_a_batched_stage_that_modifies_an_item_in_place_is_invalid():
    def grow(values):
        values[0].append(1)
        return [1 for _ in values]

    lab = Lab(cores=4.0)
    comparison = lab.compare([Stage(grow, batch=2)], [[k] for k in range(6)])
    (finding,) = comparison.findings
    assert finding.verdict is Verdict.INVALID
    assert "modified item 0" in finding.headline


def test_the_latency_of_an_item_counts_from_its_own_arrival_while_its_batch_fills():
    lab = Lab(cores=4.0)
    comparison = lab.compare(
        [embed(lab, batch=4)], range(400), requirements=[p99(0.05, rate_per_s=100.0)]
    )
    latency = comparison["threads"].latency
    # The first of four waits 30 ms for the fourth, then all are 12 ms in service.
    assert latency.max_s == pytest.approx(0.042, abs=1e-4)
    assert latency.mean_s == pytest.approx(0.027, abs=1e-4)


def test_in_closed_loop_every_worker_may_have_one_batch():
    seen: list[int | None] = []

    class Watched(VirtualExecutor):
        def open(self, plan):
            running = super().open(plan)
            run = running.run

            def watched(source):
                seen.append(source.in_flight)
                return run(source)

            running.run = watched
            return running

    lab = Lab(cores=4.0)
    watched = Watched("threads", lab.machine)
    lab.compare(
        [embed(lab, batch=4, workers=3)], range(400), requirements=[p99(0.05)], candidates=[watched]
    )
    # In batches, which is what the executor inside takes for items.
    assert {each for each in seen if each} == {3}
