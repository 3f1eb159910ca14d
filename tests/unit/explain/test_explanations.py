"""The explanations that reach the failure text."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from unit.virtual import Lab, alter_traces, speedup

from pytest_pipeline.explain.profile import overlap, service_matrix
from pytest_pipeline.model.finding import Verdict
from pytest_pipeline.model.ledger import Ledger
from pytest_pipeline.model.plan import Stage
from pytest_pipeline.testing import VirtualExecutor


def profiles(lab: Lab, *args, **options):
    return lab.compare(*args, requirements=[speedup(9.0)], **options)


def test_the_ceiling_of_equal_items_is_the_finite_bound():
    lab = Lab()
    waits = (0.010, 0.020, 0.015, 0.010)
    stages = [lab.stage(f"s{k}", wait) for k, wait in enumerate(waits)]
    arm = profiles(lab, stages, range(40))["threads"]
    assert arm.bottleneck.stage == "s1"
    assert arm.bottleneck.ceiling == pytest.approx(40 * 0.055 / (0.055 + 39 * 0.020), rel=1e-6)


def test_a_serial_loop_overlaps_nothing_and_a_pipeline_of_three_stages_two_to_three_items():
    result = profiles(Lab())
    assert result["serial"].overlap == 1.0
    assert 2.0 < result["threads"].overlap < 3.0


def test_overlap_ignores_idle_gaps():
    lab = Lab()
    trace = profiles(lab)["serial"].trace
    assert overlap(trace) == pytest.approx(1.0)
    assert service_matrix(trace).shape == (40, 3)
    assert np.allclose(service_matrix(trace)[:, 1], 0.002)


def test_a_lock_around_a_stage_is_seen_as_a_bottleneck_below_the_declared_workers():
    lab = Lab()
    locked = VirtualExecutor("threads", lab.machine, locked=["parse"])
    result = profiles(lab, lab.stages(workers=2), candidates=[locked])
    assert result["threads"].speedup.value < 2.0
    assert result.findings[0].verdict == "missed"


def test_a_stage_that_takes_longer_than_in_the_baseline_is_named_as_waiting_for_something_shared():
    lab = Lab()

    def query(item):
        lab.machine.work(0.006 if lab.machine.running == "threads" else 0.002)
        return item

    stages = [lab.stage("fetch", 0.001), Stage(query, name="query", workers=3)]
    text = profiles(lab, stages).findings[0].text
    assert "stage 'query' takes 3.0x as long per item as in the baseline (6.0 ms, 2.0 ms)" in text
    assert "next: look for a lock, connection or file that the workers of 'query' share" in text


def test_no_advice_is_given_when_no_rule_fires():
    lab = Lab()
    # An executor of one's own that does not tell what its workers did.
    alter_traces(lab.threads, lambda trace: replace(trace, ledger=Ledger((), 0.0)))
    (finding,) = profiles(lab).findings
    assert finding.verdict is Verdict.MISSED
    assert finding.next_step == ""


def test_the_arms_that_cannot_be_told_apart_tie():
    lab = Lab()
    twin = VirtualExecutor("twin", lab.machine)
    slow = VirtualExecutor("slow", lab.machine, slowdown=lambda _: 2.0)
    result = lab.compare(candidates=[lab.threads, twin, slow])
    assert set(result.best) == {"threads", "twin"}
