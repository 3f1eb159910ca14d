"""The past of a test on the page: one sentence in the card, one chart below."""

from __future__ import annotations

import dataclasses
import json

import documents
import pages
import pytest
from jsonschema import Draft202012Validator

from pytest_pipeline.history.attaching import attach
from pytest_pipeline.history.recording import records_of
from pytest_pipeline.report import html, json_file, markdown
from pytest_pipeline.report.changes import since_sentences
from pytest_pipeline.report.charts.past import past_charts


def with_history(*speedups, there=(), **changes):
    """Return a document of a missed gate after sessions with `speedups`; those `there` ran elsewhere."""
    document = documents.document(documents.missed())
    present = records_of(document, session="now", is_dirty=False)
    past = {
        record.series: [
            dataclasses.replace(
                record,
                **{
                    "session": str(k),
                    "commit": f"c{k:03d}",
                    "speedup": each,
                    "speedup_lower": each * 0.99,
                    "speedup_upper": each * 1.01,
                    "machine": "there" if k in there else record.machine,
                    "machine_text": "a bigger machine" if k in there else record.machine_text,
                    **changes,
                },
            )
            for k, each in enumerate(speedups)
        ]
        for record in present
    }
    attach(document, past, present)
    return document


def charts(document):
    return past_charts(document["tests"][0], 0)


def test_the_document_with_history_is_valid_and_makes_the_same_page_after_a_round_trip(tmp_path):
    document = with_history(2.6, 2.61, 2.6, 2.6, 2.62)
    schema = json.loads(json_file.SCHEMA_FILE.read_text(encoding="utf-8"))
    assert [each.message for each in Draft202012Validator(schema).iter_errors(document)] == []
    json_file.write(document, tmp_path / "out.json")
    assert html.render(json_file.read(tmp_path / "out.json")) == html.render(document)


def test_the_card_says_value_now_and_then_and_whether_the_intervals_overlap():
    document = with_history(2.6, 2.61, 2.6, 2.6, 2.62)
    text = pages.body_text(pages.parse(html.render(document)))
    assert "Since baseline" in text
    assert "2.62x (2.59x to 2.65x) at commit c004" in text
    assert "the intervals do not overlap. First seen in this session" in text


def test_too_few_sessions_are_said_to_be_too_few():
    sentences = [text for _, text in since_sentences(with_history(2.6)["tests"][0], 0)]
    assert any("too few to tell a change" in text for text in sentences)


def test_the_chart_marks_the_step_and_its_axis_includes_the_limit():
    (chart, *_) = charts(with_history(2.6, 2.61, 2.6, 2.6, 2.62))
    assert chart.frame.limit is not None
    assert chart.frame.box.top <= chart.frame.limit.y <= chart.frame.box.bottom
    assert chart.dots[-1].title.endswith("step")
    assert chart.dots[-2].x < chart.confirm_x < chart.dots[-1].x


def test_a_limit_far_above_every_value_is_still_inside_the_chart():
    document = with_history(0.2, 0.21)
    for each in document["tests"][0]["runs"][0]["findings"]:
        each["limit"] = 50.0
    (chart, *_) = charts(document)
    assert chart.frame.box.top <= chart.frame.limit.y < min(dot.y for dot in chart.dots)


def test_other_machines_are_hollow_and_never_compared_with():
    document = with_history(9.0, 2.6, 2.61, there={0})
    (chart, *_) = charts(document)
    assert [dot.css for dot in chart.dots] == ["dirty", "clean", "clean", "clean"]
    assert "a bigger machine" in chart.dots[0].title
    assert "hollow: another machine" in chart.caption
    change = document["tests"][0]["history"][0]["changes"][0]
    assert change["sessions"] == 3


def test_sessions_of_another_workload_are_counted_and_not_drawn():
    document = with_history(2.6, 2.6, workload="other")
    assert charts(document) == ()
    assert document["tests"][0]["history"][0]["others"] == 2


@pytest.mark.parametrize("text", ["</script><img src=x>", "\u202e\x00 {{ 7 * 7 }}", "x" * 10_000])
def test_hostile_commits_and_machines_stay_text(text):
    harmless = html.render(with_history(2.6, 2.6, commit="a", machine_text="a", there={0}))
    page = html.render(with_history(2.6, 2.6, commit=text, machine_text=text, there={0}))
    assert len(pages.elements(pages.parse(page))) == len(pages.elements(pages.parse(harmless)))


def test_markdown_says_what_changed_and_is_silent_when_nothing_did():
    changed = markdown.render(with_history(2.6, 2.61, 2.6, 2.6, 2.62))
    assert "since baseline: speedup" in changed
    assert "First seen in this session" in changed
    assert "since baseline" not in markdown.render(with_history(2.6))


def test_a_page_without_history_says_nothing_of_it():
    assert "Since baseline" not in html.render(documents.document(documents.missed()))
