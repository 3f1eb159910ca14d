"""Failed items and memory in the report: right unit, right rule, nothing about rounds or intervals that do not decide."""

from __future__ import annotations

from typing import Any

import pytest
from documents import comparison, finding, serial_arm

from pytest_pipeline.model.estimate import Estimate
from pytest_pipeline.model.finding import Reason, Verdict
from pytest_pipeline.model.requirement import Quantity
from pytest_pipeline.report.gates import Gate, make_gate

MB = 1e6


def gate(
    verdict: Verdict, limit: float, estimate: Estimate, quantity: Quantity, **options: Any
) -> Gate:
    made = finding("threads", limit, verdict, estimate, quantity=quantity, dirty=0, **options)
    document = comparison([serial_arm()], [made])
    return make_gate(document["findings"][0])


def rate(value: float, lower: float, upper: float, count: int) -> Estimate:
    return Estimate("error rate", "share", value, lower, upper, 0.95, count)


def memory(value: float) -> Estimate:
    return Estimate("peak memory", "B", value, None, None, 0.95, 3)


def test_a_limit_of_zero_says_what_none_of_n_shows():
    shown = gate(Verdict.MET, 0, rate(0, 0, 0.0063, 1120), Quantity.ERROR_RATE, clean=28)
    assert shown.sentence == "0 % of the items failed under threads, exactly the allowed 0 %."
    assert shown.demand == "error rate at most 0 %"
    assert shown.confidence == (
        "None of 1,120 items failed in 28 executions, which shows a rate of at most 0.63 % (95 % level)."
    )


def test_one_failed_item_contradicts_zero():
    shown = gate(
        Verdict.MISSED, 0, rate(0.001, 0.00001, 0.005, 1000), Quantity.ERROR_RATE, clean=25
    )
    assert shown.sentence == "0.10 % of the items failed under threads, above the allowed 0 %."
    assert shown.confidence == (
        "Counted in 25 executions: one failed item contradicts a limit of zero."
    )


def test_a_share_is_shown_in_per_cent_with_its_interval():
    shown = gate(
        Verdict.MISSED, 0.01, rate(0.05, 0.037, 0.066, 3280), Quantity.ERROR_RATE, clean=82
    )
    assert shown.demand == "error rate at most 1 %; with the 5 % tolerance, 1.1 % decides"
    assert shown.confidence == (
        "95 % interval 3.7 % to 6.6 % from 82 executions: the whole interval lies above 1.1 %, so this is not noise."
    )


@pytest.mark.parametrize(
    ("value", "verdict", "distance"),
    [
        (80 * MB, Verdict.MET, "20 % below the allowed 100 MB"),
        (104 * MB, Verdict.MET, "4 % above the allowed 100 MB, within its 5 % tolerance"),
        (150 * MB, Verdict.MISSED, "50 % above the allowed 100 MB"),
    ],
)
def test_memory_is_shown_in_bytes_with_the_rule_that_decides(value, verdict, distance):
    shown = gate(verdict, 100 * MB, memory(value), Quantity.PEAK_MEMORY, clean=3)
    assert (
        shown.sentence
        == f"threads took up to {value / MB:.{0 if value >= 1e8 else 1}f} MB more memory, {distance}."
    )
    assert shown.confidence.startswith("The largest of 3 executions, each on fresh workers")
    assert "interval" not in shown.confidence


def test_executions_that_disagree_say_so_before_the_rule():
    shown = gate(
        Verdict.INCONCLUSIVE,
        100 * MB,
        memory(150 * MB),
        Quantity.PEAK_MEMORY,
        reason=Reason.CONFIRM_DISAGREED,
        clean=5,
    )
    assert shown.confidence.startswith("Not decided: ")
    assert "largest of 5 executions" in shown.confidence


def test_an_arm_without_a_memory_gate_has_no_memory_in_the_document():
    document = comparison([serial_arm()], [])
    assert document["arms"][0]["peak_memory_bytes"] is None
