"""Text from outside is shown as text, whatever is in it."""

import json

import documents
import pages
import pytest
from hypothesis import given, settings, strategies as st

from pytest_pipeline.report import html, markdown, terminal
from pytest_pipeline.report.text import anchor, one_line, shorten, visible

HOSTILE = [
    "</script><img src=x onerror=alert(1)>\"&'",
    "<!-- ]]> --> {{ 7 * 7 }} {% raw %}",
    "</style></title></pre></svg><style>*{display:none}",
    "</script a=1><script/x>",
    "NUL \x00 bell \x07 escape \x1b[31m",
    "bidi \u202etxt.exe\u2066 zero\u200bwidth",
    "line\u2028separator\u2029 lone \ud800 surrogate \uffff",
    "a|b `c` *d* _e_ [f](g) #h ~i~",
    "é 漢字 🙂",
    "x" * 10_000,
]

texts = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(st.characters(codec=None), max_size=60),
    st.lists(st.sampled_from(HOSTILE[:6]), max_size=3).map("".join),
)


def hostile_document(text):
    """The same text at every place that comes from outside."""
    test = documents.missed(f"tests/test_x.py::test_y[{text}]")
    test["error"] = f"error {text}"
    run = test["runs"][0]
    run["warnings"] = [text]
    run["stages"][0]["name"] = text
    finding = run["findings"][0]
    finding.update(cause=text, next_step=text, evidence=[text], headline=text)
    for each in run["rounds"]:
        each["disturbance"] = text
    arm = run["arms"][1]
    arm["stages"][0]["name"] = arm["ledger"]["rows"][0]["name"] = arm["bottleneck"]["stage"] = text
    arm["timeline"]["stage_names"][0] = text
    run["arms"][2]["executor"] = run["arms"][2]["resources"]["left_out"] = text
    made = documents.document(test)
    made["environment"] = {**made["environment"], "cpu": text, "packages": {text: text}}
    # Every line of a section is a paragraph of its own: one line, so that only escaping is counted.
    line = " ".join(text.splitlines())
    made["sections"] = [{"title": text, "text": line, "header": [text], "rows": [[text]]}]
    made["context"] = {"project": text, "commit": text, "branch": text, "command": text}
    return made


HARMLESS = len(pages.elements(pages.parse(html.render(hostile_document("harmless")))))


def squeezed(text):
    return " ".join(text.split())


@settings(max_examples=40)
@given(texts)
def test_a_parser_finds_the_same_elements_and_the_same_text(text):
    page = html.render(hostile_document("ok" + text))
    page.encode("utf-8")
    root = pages.parse(page)
    assert len(pages.elements(root)) == HARMLESS
    (nodeid,) = pages.with_class(root, "nodeid")
    assert squeezed("".join(nodeid.itertext())) == squeezed(
        visible(f"tests/test_x.py::test_y[ok{text}]")
    )
    (error,) = pages.with_class(root, "error")
    assert squeezed("".join(error.itertext())) == squeezed(visible(f"error ok{text}"))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_leaves_one_script_and_no_image(text):
    root = pages.parse(html.render(hostile_document(text)))
    assert len(pages.elements(root, "script")) == 2
    assert json.loads(pages.by_id(root, "report-data").text) == hostile_document(text)
    assert not pages.elements(root, "img")
    for each in pages.elements(root):
        assert not [
            name for name in each.attrib if name.lower().startswith("on") or name == "style"
        ]


@pytest.mark.parametrize("text", HOSTILE)
def test_the_terminal_never_sees_a_control_character(text):
    made = hostile_document(text)
    for width in (40, 80, 200):
        for line, style in terminal.summary_lines(made, width=width):
            assert line.isprintable()
            assert len(line) <= max(width, 80)
            assert style in {"green", "red", "yellow", ""}


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_keeps_its_columns(text):
    rows = [
        line
        for line in markdown.render(hostile_document(text)).splitlines()
        if line.startswith("|")
    ]
    assert rows
    for row in rows:
        assert row.replace("\\|", "").count("|") == 7


@given(st.text(st.characters(codec=None)))
def test_visible_text_survives_a_parser_and_utf8(text):
    shown = visible(text)
    shown.encode("utf-8")
    assert visible(shown) == shown
    assert all(char.isprintable() or char.isspace() or ord(char) > 127 for char in shown)
    assert "\n" not in one_line(text)


@given(st.text(), st.integers(1, 40))
def test_shortened_text_has_the_asked_length(text, limit):
    assert len(shorten(text, limit)) <= limit


def test_escapes_are_readable():
    assert visible("a\u202eb\x00c\ud800") == "a\\u202eb\\x00c\\ud800"
    assert visible("tab\tand\nnewline é") == "tab\tand\nnewline é"
    assert visible("\U000e0001") == "\\U000e0001"


def test_anchors_are_stable_and_take_any_text():
    assert anchor("tests/test_shop.py::test_orders_overlap") == "t-155b2fa582"
    assert anchor("\ud800").startswith("t-")
