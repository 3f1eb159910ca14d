"""The profile execution within a comparison: who gets one, who does not, and what the report is told."""

from __future__ import annotations

from dataclasses import replace

import pytest
from unit.virtual import Lab, error_rate, peak_memory, speedup

from pytest_pipeline.testing import VirtualExecutor


class Sending(VirtualExecutor):
    """An executor whose ledger shows time spent on pickling."""

    def open(self, plan):
        running = super().open(plan)
        run = running.run

        def sent(source):
            trace = run(source)
            rows = tuple(replace(row, serialisation_s=0.001) for row in trace.ledger.rows)
            return replace(trace, ledger=replace(trace.ledger, rows=rows))

        running.run = sent
        return running


def slow_stages(lab):
    return [lab.stage("fetch", 0.01), lab.stage("parse", 0.02)]


def test_every_arm_is_executed_once_more_and_sampled():
    lab = Lab()
    comparison = lab.compare(slow_stages(lab), requirements=[speedup(1.2)])
    for name in ("serial", "threads"):
        used = comparison[name].resources
        assert used.left_out == ""
        assert used.peak_bytes > 0
        assert [each.core for each in used.cores] == [0, 1]
    assert lab.progress.count("sampling resources") == 1


def test_the_profile_execution_is_one_per_arm_and_comes_after_the_rounds():
    def executions(**options):
        lab = Lab()
        lab.compare(slow_stages(lab), **options)
        return lab.machine.worked_s / (40 * 0.03)

    one_arm_each = executions() - executions(predicts=False)
    assert one_arm_each == pytest.approx(2)


def test_a_short_execution_is_left_out_with_the_reason():
    comparison = Lab().compare(items=range(2))
    assert comparison["threads"].resources.left_out.endswith(
        "is too short to be sampled: 50.0 ms at least"
    )
    assert not comparison["threads"].resources.cores


def test_an_execution_longer_than_a_tenth_of_the_budget_is_left_out_with_the_reason():
    lab = Lab()
    comparison = lab.compare(slow_stages(lab), budget_s=10.0)
    assert (
        "would take more than 10 % of the budget of 10.0 s"
        in comparison["serial"].resources.left_out
    )
    assert comparison["threads"].resources.left_out == ""


def test_switched_off_nothing_is_sampled():
    lab = Lab()
    comparison = lab.compare(slow_stages(lab), mode="off")
    assert comparison["threads"].resources is None
    assert "sampling resources" not in lab.progress


def test_a_comparison_that_nobody_reads_in_detail_is_not_sampled():
    lab = Lab()
    assert lab.compare(slow_stages(lab), predicts=False)["threads"].resources is None


def test_bytes_are_known_for_arms_that_send_items_to_processes_only():
    lab = Lab()
    sends = Sending("processes", lab.machine)
    comparison = lab.compare(slow_stages(lab), candidates=[sends, lab.threads])
    assert comparison["processes"].resources.shipped_bytes > 0
    assert comparison["threads"].resources.shipped_bytes is None


def test_the_document_carries_it_to_the_report():
    lab = Lab()
    arms = lab.compare(slow_stages(lab)).to_dict()["arms"]
    assert arms[1]["resources"]["cores"][0] == {"core": 0, "busy": [1.0]}


def test_memory_and_failure_gates_keep_their_verdicts_beside_it():
    lab = Lab()
    comparison = lab.compare(
        slow_stages(lab), requirements=[peak_memory(1e9), error_rate(0.1)], budget_s=60.0
    )
    assert [str(finding.verdict) for finding in comparison.findings] == ["met", "met"]
