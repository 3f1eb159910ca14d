"""Structure of the page: what a parser, a strict host and a reader without scripts find."""

import base64
import copy
import hashlib
import json
import re
import zlib

import documents
import pages
import pytest

from pytest_pipeline.report import html, markdown
from pytest_pipeline.report.page import embed, view
from pytest_pipeline.report.text import anchor

FULL = html.render(documents.full())


@pytest.fixture(scope="module", params=["full", "empty", "passing", "off"])
def page(request):
    made = {
        "full": documents.full,
        "empty": documents.document,
        "passing": lambda: documents.document(documents.met(), documents.cold_processes()),
        "off": lambda: documents.document(documents.test_entry("t.py::test_a", "not-run", [])),
    }[request.param]()
    return html.render(made)


def test_ids_are_unique_and_every_link_resolves(page):
    root = pages.parse(page)
    ids = [each.get("id") for each in pages.elements(root) if each.get("id")]
    assert len(ids) == len(set(ids))
    links = [each.get("href") for each in pages.elements(root, "a")]
    assert all(link.startswith("#") and link[1:] in ids for link in links)
    labels = [
        each.get("aria-labelledby") for each in pages.elements(root) if each.get("aria-labelledby")
    ]
    assert set(labels) <= set(ids)


def test_nothing_is_inline_or_external(page):
    for each in pages.elements(pages.parse(page)):
        for name in each.attrib:
            assert name != "style"
            assert not name.lower().startswith("on")
            assert name not in {"src", "srcset", "action", "data", "poster"}
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page
    assert "url(" not in page


def test_the_policy_admits_exactly_this_style_and_this_script(page):
    root = pages.parse(page)
    (policy,) = [m.get("content") for m in pages.elements(root, "meta") if m.get("http-equiv")]
    scripts = pages.elements(root, "script")
    assert [each.get("type") for each in scripts] == ["application/json", None]
    (style,) = pages.elements(root, "style")
    for element in (style, scripts[1]):
        digest = base64.b64encode(hashlib.sha256(element.text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy


def test_same_document_same_bytes_also_through_a_json_file(tmp_path):
    from pytest_pipeline.report import json_file

    path = tmp_path / "report.json"
    json_file.write(documents.full(), path)
    assert html.render(json_file.read(path)) == FULL == html.render(documents.full())


def test_rendering_leaves_the_document_alone():
    made = documents.full()
    before = copy.deepcopy(made)
    html.render(made)
    assert made == before


def test_the_embedded_data_is_the_document():
    root = pages.parse(FULL)
    assert json.loads(pages.by_id(root, "report-data").text) == documents.full()


def test_without_scripts_every_failing_sentence_is_there():
    text = pages.body_text(pages.parse(FULL))
    for sentence in (
        "threads reached 1.42x, 29 % below the required 2.00x.",
        "the whole interval lies below 1.90x, so this is not noise",
        "threads gave other outputs than serial: item 3 is 17, expected 16.",
        "ValueError: bad row 17",
        "threads had a p99 latency of 564 ms at 50.0/s, 7.0 times the allowed 80.0 ms.",
        "Not decided: the value lies too close to the limit to tell in the time allowed.",
        "cuda cannot run here: no CUDA device.",
        "Stage(preprocess, workers=2) is predicted to reach 2.3x",
        "pytest 'tests/test_shop.py::test_orders_scale[lock]'",
    ):
        assert sentence in text


def test_wrong_outputs_and_crashes_come_first_then_the_worst_margin():
    root = pages.parse(FULL)
    badges = [pages.text_of(each) for each in pages.with_class(root, "badge")]
    words = [badge.split(" ", 1)[1] for badge in badges]
    assert words == ["invalid"] * 2 + ["missed"] * 2 + ["inconclusive", "unavailable"] + [
        "met"
    ] * 2 + ["ungated"]
    cards = [pages.text_of(each) for each in pages.with_class(root, "missed", "card")]
    assert "stay_quick" in cards[0]
    assert "scale[lock]" in cards[1]


def test_the_title_says_the_most_urgent_counts_that_a_tab_has_room_for():
    title = pages.text_of(pages.elements(pages.parse(FULL), "title")[0])
    assert title == "‼ 2 invalid, ✗ 2 missed, ? 1 inconclusive, ∅ 1 unavailable, ✓ 2 met"
    one = html.render(documents.document(documents.met()))
    assert pages.text_of(pages.elements(pages.parse(one), "title")[0]) == "✓ 1 met - shop-etl"


def test_only_met_is_green():
    root = pages.parse(FULL)
    for each in pages.with_class(root, "met"):
        text = pages.text_of(each)
        if pages.local(each) in {"span", "td"}:
            assert "met" in text
            assert "inconclusive" not in text
            assert "unavailable" not in text


def test_the_permalink_stands_inside_the_details_so_that_it_opens_without_scripts():
    root = pages.parse(FULL)
    nodeid = "tests/test_shop.py::test_orders_overlap"
    assert re.fullmatch("t-[0-9a-f]{10}", anchor(nodeid))
    parents = {child: parent for parent in root.iter() for child in parent}
    target = pages.by_id(root, anchor(nodeid))
    assert pages.local(parents[target]) == "details"
    assert parents[target].get("open") is None


def test_controls_are_hidden_until_a_script_reveals_them():
    root = pages.parse(FULL)
    assert pages.by_id(root, "tools").get("hidden") is not None
    assert pages.by_id(root, "filter-line").get("hidden") is not None
    outside = pages.elements(root, "button") + pages.elements(root, "input")
    inside = [
        e for name in ("tools", "filter-line") for e in pages.elements(pages.by_id(root, name))
    ]
    assert all(each in inside for each in outside)


def test_earlier_attempts_are_shown_but_not_counted():
    first, last = documents.missed("a.py::t"), documents.met("a.py::t")
    root = pages.parse(html.render(documents.document(first, {**last, "attempt": 2})))
    counts = [pages.text_of(each) for each in pages.with_class(root, "count")]
    assert counts == ["✓ 1 met"]
    assert "attempt 1, superseded by a later one" in pages.body_text(root)
    assert pages.by_id(root, anchor("a.py::t")) is not pages.by_id(root, f"{anchor('a.py::t')}-1")


def test_a_superseded_attempt_is_marked_in_the_table_and_does_not_open_what_failed():
    first, last = documents.missed("a.py::t"), documents.met("a.py::t")
    text = pages.body_text(
        pages.parse(html.render(documents.document(first, {**last, "attempt": 2})))
    )
    assert "a.py::t (attempt 1, superseded)" in text
    assert "What failed" not in text


def test_a_session_without_performance_tests_says_so():
    text = pages.body_text(pages.parse(html.render(documents.document())))
    assert "No measuring test ran in this session: nothing was measured." in text


def test_missing_context_and_environment_are_left_out():
    made = documents.document(documents.met(), context={}, environment={})
    assert "commit" not in pages.text_of(
        pages.with_class(pages.parse(html.render(made)), "context")[0]
    )


def test_a_noisy_machine_is_said_above_the_failures():
    made = documents.document(documents.missed())
    for each in made["tests"][0]["runs"][0]["rounds"]:
        each["is_clean"] = False
    text = html.render(made)
    assert text.index("Noisy machine.") < text.index("What failed")


def test_cores_that_slow_each_other_down_are_no_noise_and_said_with_what_was_expected():
    made = documents.document(documents.met())
    made["tests"][0]["runs"][0]["reference"] = {"speedup": 1.61, "width": 2, "efficiency": 0.805}
    warned = pages.text_of(pages.with_class(pages.parse(html.render(made)), "warning")[0])
    assert "Noisy" not in warned
    assert "gained 1.61x on 2 workers, free cores give 1.70x or more" in warned
    assert "1 of 10 rounds disturbed" in warned
    assert markdown.render(made).count("Cores that slow each other down") == 1


def test_a_quiet_machine_is_a_word_in_the_context_line():
    page = pages.parse(html.render(documents.document(documents.met())))
    assert "machine quiet" in pages.text_of(pages.with_class(page, "context")[0])
    assert not pages.with_class(page, "warning")


def test_the_writer_names_the_file_it_cannot_write(tmp_path):
    with pytest.raises(OSError, match="cannot write"):
        html.write(documents.document(), tmp_path)


def many(failing, passing):
    tests = [documents.missed(f"tests/test_{k % 20}.py::test_case[{k}]") for k in range(failing)]
    tests += [documents.met(f"tests/test_{k % 20}.py::test_pass[{k}]") for k in range(passing)]
    return documents.document(*tests)


def test_five_hundred_tests_stay_small_and_say_what_was_left_out():
    page = html.render(many(10, 490))
    assert len(page.encode()) < 3_000_000
    assert len(zlib.compress(page.encode(), 6)) < 300_000
    text = pages.body_text(pages.parse(page))
    assert "Charts of 490 passing tests are left out" in text
    assert (
        "The data embedded in this page leaves out: everything but verdicts and estimates" in text
    )


def test_all_passing_tests_have_charts_up_to_the_limit():
    page = html.render(many(0, view.MAX_FULL_PASSING))
    assert "left out to keep this page small" not in page
    assert len(page.encode()) < 4_500_000


def test_a_flood_of_failures_keeps_every_sentence():
    page = html.render(many(300, 0))
    text = pages.body_text(pages.parse(page))
    assert text.count("threads reached 1.42x, 29 % below the required 2.00x.") == 300
    assert "Charts of 275 further tests that did not pass are left out" in text
    assert len(page.encode()) < 6_000_000


def test_data_that_is_cut_still_fits_the_schema(monkeypatch):
    from jsonschema import Draft202012Validator
    from test_schema import SCHEMA

    sizes = []
    for limit in (10**9, 60_000, 30_000, 20_000, 12_000):
        monkeypatch.setattr(embed, "MAX_BYTES", limit)
        cut = embed.embed(documents.document(documents.missed(), documents.met()))
        sizes.append(len(cut.text))
        assert Draft202012Validator(SCHEMA).is_valid(json.loads(cut.text))
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) >= 3


def test_all_charts_are_drawn_when_asked_for():
    page = html.render(many(0, view.MAX_FULL_PASSING + 10), all_charts=True)
    assert "left out to keep this page small" not in page
    assert len(pages.with_class(pages.parse(page), "card", "met")) == view.MAX_FULL_PASSING + 10


def test_a_long_table_is_grouped_by_module_and_loses_no_row():
    root = pages.parse(html.render(many(3, 150)))
    headings = [pages.text_of(each) for each in pages.with_class(root, "group")]
    assert len(headings) == 20
    assert headings[0] == "tests/test_0.py: 1 missed, 8 met"
    rows = [each for each in pages.elements(root, "tr") if each.get("data-search")]
    assert len(rows) == 153


def test_a_short_table_has_no_headings():
    assert not pages.with_class(pages.parse(html.render(many(3, 50))), "group")
