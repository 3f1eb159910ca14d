"""Every quantity of a gate in sentences, bars, table and terminal, with its own unit and noun."""

import dataclasses

import documents
import pages
import pytest

from pytest_pipeline.model.estimate import Estimate
from pytest_pipeline.model.finding import Verdict
from pytest_pipeline.model.requirement import Quantity
from pytest_pipeline.report import html, markdown, terminal
from pytest_pipeline.report.charts.bars import gated_charts
from pytest_pipeline.report.gates import distance_words, make_gate, margin

CASES = {
    Quantity.THROUGHPUT: (
        (488.0, 700.0),
        "threads reached a throughput of 488/s, 30 % below the required 700/s.",
        "95 % interval 483/s to 493/s from 15 clean rounds",
        "throughput 488/s",
    ),
    Quantity.FIRST_RESULT: (
        (0.004, 0.002),
        "threads gave its first result after 4.00 ms, 100 % above the allowed 2.00 ms.",
        "95 % interval 3.96 ms to 4.04 ms from 15 clean rounds",
        "first result 4.00 ms",
    ),
    Quantity.EFFICIENCY: (
        (0.65, 0.8),
        "threads reached an efficiency of 65 %, 19 % below the required 80 %.",
        "95 % interval 64.3 % to 65.7 % from 15 clean rounds",
        "efficiency 65 %",
    ),
    Quantity.OVERLAP: (
        (2.0, 8.0),
        "threads had 2.00 items in service at once, 75 % below the required 8.00 items.",
        "95 % interval 1.98 items to 2.02 items from 15 executions",
        "overlap 2.00 items",
    ),
    Quantity.PEAK_MEMORY: (
        (300e6, 200e6),
        "threads took up to 300 MB more memory, 50 % above the allowed 200 MB.",
        "The largest of 15 executions, each on fresh workers",
        "peak memory 300 MB",
    ),
    Quantity.ERROR_RATE: (
        (0.05, 0.01),
        "5 % of the items failed under threads, 5.0 times the allowed 1 %.",
        "95 % interval 5.0 % to 5.1 % from 15 executions",
        "error rate 5 %",
    ),
}
quantities = pytest.mark.parametrize("quantity", list(CASES))


def judged(quantity, value, limit, verdict=Verdict.MISSED, *, dirty=0):
    estimate = Estimate(
        quantity.label, quantity.unit, value, value * 0.99, value * 1.01, 0.95, count=15
    )
    gate = documents.finding(
        "threads", limit, verdict, estimate, quantity=quantity, clean=15, dirty=dirty
    )
    arms = [
        documents.serial_arm(),
        documents.make_arm("threads", documents.speedup_estimate(1.95, 15), makespan_s=0.082),
    ]
    run = documents.comparison(arms, [gate])
    return documents.test_entry("tests/test_shop.py::test_gate", verdict.value, [run])


@quantities
def test_the_sentences_name_value_limit_interval_and_what_was_counted(quantity):
    (value, limit), sentence, interval, _ = CASES[quantity]
    gate = make_gate(judged(quantity, value, limit)["runs"][0]["findings"][0])
    assert gate.sentence == sentence
    assert interval in gate.confidence
    assert quantity.label in gate.demand


@quantities
def test_the_bars_hold_the_limit_on_their_axis_in_the_unit_of_the_quantity(quantity):
    (value, limit), *_ = CASES[quantity]
    (chart,) = gated_charts(judged(quantity, value, limit)["runs"][0])
    (line,) = chart.limits
    assert chart.left <= line.x <= chart.right
    bar = next(each for each in chart.bars if each.label.startswith("threads"))
    reach = line.x - chart.left
    assert bar.width == pytest.approx(reach * value / limit, abs=1)
    assert bar.css == "missed"
    assert line.label.startswith("at least" if quantity.is_minimum else "at most")


def test_arms_without_a_gate_stand_beside_the_gated_one():
    (chart,) = gated_charts(judged(Quantity.THROUGHPUT, 488.0, 700.0)["runs"][0])
    assert [(bar.label, bar.css) for bar in chart.bars] == [
        ("serial", "plain"),
        ("threads (4)", "missed"),
    ]


@quantities
def test_terminal_page_and_markdown_show_the_value(quantity):
    (value, limit), sentence, _, column = CASES[quantity]
    document = documents.document(judged(quantity, value, limit))
    first = terminal.summary_lines(document, width=140)[0][0]
    assert f"  {column}  " in first
    assert sentence in pages.text_of(pages.parse(html.render(document)))
    assert quantity.label in markdown.render(document)


@quantities
def test_a_finding_of_the_quantity_is_valid_under_the_schema(quantity):
    from test_schema import VALIDATOR

    (value, limit), *_ = CASES[quantity]
    document = documents.document(judged(quantity, value, limit))
    assert [error.message for error in VALIDATOR.iter_errors(document)] == []


def test_a_limit_of_zero_is_a_limit():
    finding = judged(Quantity.ERROR_RATE, 0.05, 0.0)["runs"][0]["findings"][0]
    assert margin(finding) == 1.0
    assert distance_words(finding) == "above the allowed 0 %"
    kept = judged(Quantity.ERROR_RATE, 0.0, 0.0, Verdict.MET)["runs"][0]["findings"][0]
    assert distance_words(kept) == "exactly the allowed 0 %"
    page = html.render(documents.document(judged(Quantity.ERROR_RATE, 0.05, 0.0)))
    assert "above the allowed 0 %" in page


def test_a_judged_baseline_has_a_line_of_its_own():
    test = judged(Quantity.THROUGHPUT, 250.0, 400.0)
    test["runs"][0]["findings"][0]["executor"] = "serial"
    lines = [text for text, _ in terminal.summary_lines(documents.document(test), width=140)]
    assert "serial" in lines[0]
    assert "throughput 250/s" in lines[0]
    assert lines[0].endswith("missed")


def test_a_quantity_of_a_newer_version_reads_by_its_label():
    test = judged(Quantity.THROUGHPUT, 488.0, 700.0)
    finding = test["runs"][0]["findings"][0]
    finding |= {"quantity": "jitter", "label": "jitter", "unit": "s"}
    assert make_gate(finding).sentence.startswith("threads had a jitter of 488 s")
    assert dataclasses.is_dataclass(gated_charts(test["runs"][0])[0])
