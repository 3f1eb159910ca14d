"""Each of these faults, planted into the report, must turn a test red: a test that cannot fail protects nobody."""

from __future__ import annotations

import documents
import pytest
import test_escaping
import test_geometry
import test_html

from pytest_pipeline.report import html
from pytest_pipeline.report.charts import axis, barchart, curve, rounds
from pytest_pipeline.report.page import embed
from pytest_pipeline.report.words import OUTCOMES

MARKUP, *_, BIDI = test_escaping.HOSTILE[:6]
parses_back = (
    test_escaping.test_a_parser_finds_the_same_elements_and_the_same_text.hypothesis.inner_test
)
holds_the_limit = test_geometry.test_every_chart_shows_its_limit.hypothesis.inner_test


@pytest.fixture
def engine(monkeypatch):
    """Return a way to change the template engine's options for this test."""

    def change(**options):
        changed = html._environment().overlay(**options)
        monkeypatch.setattr(html, "_environment", lambda: changed)

    return change


def test_without_the_templates_escape_a_test_is_red(engine):
    parses_back(MARKUP)
    engine(autoescape=False)
    with pytest.raises(AssertionError):
        parses_back(MARKUP)


def test_without_visible_control_characters_a_test_is_red(engine):
    parses_back(BIDI)
    engine(finalize=lambda value: value)
    with pytest.raises(AssertionError):
        parses_back(BIDI)


def test_without_the_escape_of_the_embedded_data_a_test_is_red(monkeypatch):
    checks = test_escaping.test_hostile_text_leaves_one_script_and_no_image
    checks(MARKUP)
    monkeypatch.setattr(embed, "_ESCAPES", {})
    with pytest.raises((AssertionError, ValueError)):
        checks(MARKUP)


@pytest.mark.parametrize("module", [barchart, rounds], ids=["bars", "rounds"])
def test_without_the_limit_in_the_axis_a_test_is_red(monkeypatch, module):
    limit, value = 100.0, 1.5
    holds_the_limit(limit, value)

    def forgetful(values, **options):
        return axis.make_axis(
            [each for each in values if each not in {limit, 0.95 * limit}], **options
        )

    monkeypatch.setattr(module, "make_axis", forgetful)
    with pytest.raises(AssertionError):
        holds_the_limit(limit, value)


def test_without_the_limit_in_the_latency_axis_a_test_is_red(monkeypatch):
    monkeypatch.setattr(
        curve,
        "make_axis",
        lambda values, **options: axis.make_axis(
            [each for each in values if each != 10.0], **options
        ),
    )
    with pytest.raises((AssertionError, ValueError)):
        test_geometry.test_a_latency_limit_far_above_all_samples_stands_at_its_own_value()


def test_with_met_and_inconclusive_swapped_tests_are_red(monkeypatch):
    met, inconclusive = OUTCOMES["met"], OUTCOMES["inconclusive"]
    monkeypatch.setitem(OUTCOMES, "met", inconclusive)
    monkeypatch.setitem(OUTCOMES, "inconclusive", met)
    monkeypatch.setattr(test_html, "FULL", html.render(documents.full()))
    for checks in (
        test_html.test_the_title_says_the_most_urgent_counts_that_a_tab_has_room_for,
        test_html.test_wrong_outputs_and_crashes_come_first_then_the_worst_margin,
    ):
        with pytest.raises(AssertionError):
            checks()


def test_with_green_for_what_was_not_decided_a_test_is_red(monkeypatch):
    page = test_html.FULL.replace('class="badge inconclusive"', 'class="badge met"')
    assert page != test_html.FULL
    monkeypatch.setattr(test_html, "FULL", page)
    with pytest.raises(AssertionError):
        test_html.test_only_met_is_green()
