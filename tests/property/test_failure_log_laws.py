"""Laws of counting failures, whatever fails in whatever order."""

from __future__ import annotations

from itertools import groupby
from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given, strategies as st

from pytest_pipeline.judge.failures import ErrorRateGate
from pytest_pipeline.judge.gate import Errors, Status
from pytest_pipeline.model.failures import FailedShare, FailureLog
from pytest_pipeline.model.requirement import Quantity, Requirement
from pytest_pipeline.model.trace import MOST_FAILURES, ItemFailure

executions = st.lists(st.lists(st.booleans(), min_size=1, max_size=60), max_size=12)


def log_of(marks: list[list[bool]]) -> FailureLog:
    log = FailureLog()
    for each in marks:
        failed = tuple(index for index, is_bad in enumerate(each) if is_bad)
        words = tuple(ItemFailure(item, "parse", "ValueError: x") for item in failed)
        trace = SimpleNamespace(
            outputs=[None] * (len(each) - len(failed)),
            failed_items=failed,
            failures=words[:MOST_FAILURES],
        )
        log.add(cast("Any", trace))
    return log


def decided(shares: list[FailedShare], limit: float) -> ErrorRateGate:
    gate = ErrorRateGate(Requirement(Quantity.ERROR_RATE, limit), "threads", errors=Errors())
    for each in shares:
        gate.observe(each)
    return gate


@given(executions)
def test_counts_are_exact_and_words_are_bounded(marks):
    log = log_of(marks)
    assert log.failed == sum(map(sum, marks))
    assert log.items == sum(map(len, marks))
    assert len(log.first) <= MOST_FAILURES
    assert [each.stretches for each in log.executions] == [
        sum(is_bad for is_bad, _ in groupby(each)) for each in marks
    ]


@given(executions)
def test_a_limit_of_zero_is_met_exactly_when_nothing_failed(marks):
    log = log_of(marks)
    gate = decided(log.executions, 0)
    if log.items:
        assert (gate.status is Status.MISSED) == (log.failed > 0)
        assert (gate.status is Status.MET) == (log.failed == 0)


@given(executions, st.floats(0.001, 0.9))
def test_a_gate_is_never_met_while_more_items_failed_than_allowed(marks, limit):
    log = log_of(marks)
    gate = decided(log.executions, limit)
    if gate.status is Status.MET:
        assert log.failed / log.items <= gate.requirement.effective_limit


@given(executions, st.floats(0.001, 0.9))
def test_the_order_of_executions_changes_no_met_verdict(marks, limit):
    shares = log_of(marks).executions
    gate, other = decided(shares, limit), decided(shares[::-1], limit)
    if Status.MISSED not in {gate.status, other.status}:
        assert gate.status is other.status
