"""The predictions as a reader sees them: change, number, distance to the limit, and the best one alone in Markdown."""

from __future__ import annotations

import copy

import documents
import pages

from pytest_pipeline.report import html, markdown, units
from pytest_pipeline.report.page.whatif import what_if_table


def missed_run():
    document = documents.full()
    for test in document["tests"]:
        for run in test["runs"]:
            gates = [f for f in run["findings"] if f["quantity"] == "speedup"]
            if gates and gates[0]["verdict"] == "missed":
                return copy.deepcopy(run)
    raise AssertionError("no document with a missed speedup")


def arm_of(run):
    executor = next(f["executor"] for f in run["findings"] if f["quantity"] == "speedup")
    return next(arm for arm in run["arms"] if arm["executor"] == executor)


def test_changes_that_reach_the_limit_are_marked_and_the_others_say_how_much_is_missing():
    run = missed_run()
    arm = arm_of(run)
    for each in run["findings"]:
        each["limit"] = 3.0 if each["quantity"] == "speedup" else each["limit"]
    rows = {row[0]: row for row in what_if_table(run, arm).rows}
    assert rows["2 workers for 'preprocess'"][2:] == ("3.38x", "✓ reaches it (3.00x)")
    assert rows["2 processes instead of threads"][3] == "35 % below 3.00x"


def test_the_prediction_for_the_plan_as_it_is_stands_beside_the_measured_value():
    run = missed_run()
    arm = arm_of(run)
    arm["speedup"]["value"] = 2.5
    (current,) = [row for row in what_if_table(run, arm).rows if row[1] == "–"]
    assert current[0] == "keep as it is (measured 2.50x)"
    assert current[2] == units.ratio(2.635)


def test_without_a_gate_on_the_speedup_there_is_no_column_for_the_limit():
    run = missed_run()
    arm = arm_of(run)
    run["findings"] = []
    assert what_if_table(run, arm).columns == ("change", "write", "predicted")


def test_an_arm_without_predictions_has_no_table():
    run = missed_run()
    baseline = next(arm for arm in run["arms"] if arm["is_baseline"])
    assert what_if_table(run, baseline) is None


def test_the_page_shows_the_table_with_what_the_numbers_rest_on():
    page = pages.body_text(pages.parse(html.render(documents.full())))
    assert "What if: predicted speedups, simulated with the measured service times" in page
    assert "Stage(preprocess, workers=2) 3.38x" in page
    assert "8.1 kB per item" in page


def test_markdown_says_next_what_the_failure_text_says():
    text = markdown.render(documents.full())
    assert "next: Stage(preprocess, workers=2) is predicted to reach 2.3x" in text
    assert 'executors=\\["processes"\\]' not in text


def test_met_gates_need_no_next_step_in_markdown():
    document = documents.full()
    for test in document["tests"]:
        for run in test["runs"]:
            for each in run["findings"]:
                each["verdict"] = "met"
    assert "next:" not in markdown.render(document)


def test_a_markdown_summary_that_is_full_leaves_the_predictions_out(monkeypatch):
    whole = markdown.render(documents.full())
    monkeypatch.setattr(markdown, "MAX_BYTES", len(whole.encode()) - 100)
    text = markdown.render(documents.full())
    assert "predicted" not in text
    assert "not shown here" not in text
