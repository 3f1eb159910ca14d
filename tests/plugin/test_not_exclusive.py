"""What a measurement beside other tests may say: met, never missed."""

from __future__ import annotations

import pytest
from unit.virtual import Lab, p99, speedup

from pytest_pipeline.model.finding import Reason, Verdict

COMPANY = "other tests ran at the same time: waiting 600 s for them was in vain"


def test_a_miss_is_not_believed_and_the_reason_is_said():
    comparison = Lab().compare(requirements=[speedup(3.0)], company=COMPANY)
    (finding,) = comparison.findings
    assert (finding.verdict, finding.reason) == (Verdict.INCONCLUSIVE, Reason.NOT_EXCLUSIVE)
    assert COMPANY in finding.text
    assert finding.headline.endswith("not-exclusive")
    assert comparison.notes["exclusive"] is False
    assert comparison.warnings == (f"not measured alone: {COMPANY}",)


def test_a_met_gate_is_met():
    (finding,) = Lab().compare(requirements=[speedup(1.5)], company=COMPANY).findings
    assert finding.verdict is Verdict.MET


@pytest.mark.parametrize("limit_s", [0.0001])
def test_a_latency_gate_is_not_missed_either(limit_s):
    (finding,) = Lab().compare(requirements=[p99(limit_s)], company=COMPANY).findings
    assert (finding.verdict, finding.reason) == (Verdict.INCONCLUSIVE, Reason.NOT_EXCLUSIVE)


def test_a_budget_that_is_too_short_beside_others_is_not_the_test_s_fault():
    (finding,) = Lab().compare(requirements=[speedup(3.0)], company=COMPANY, budget_s=0.1).findings
    assert (finding.verdict, finding.reason) == (Verdict.INCONCLUSIVE, Reason.NOT_EXCLUSIVE)
