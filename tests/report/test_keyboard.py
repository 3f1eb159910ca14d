"""The page under somebody's hands: keys, filter and permalinks in a real browser."""

import urllib.parse

import devtools
import documents
import pytest

from pytest_pipeline.report import html
from pytest_pipeline.report.text import anchor

pytestmark = devtools.needs_chromium("nobody tried the report's keys, filter and links")
UNMET = "[...document.querySelectorAll('.card[data-unmet] .body')].map((each) => each.id)"
ROWS = """[...document.querySelectorAll('tr[data-search]')].filter((each) => !each.hidden)
    .map((each) => each.querySelector('th').textContent)"""


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    html.write(documents.full(), path)
    return path.as_uri()


@pytest.fixture
def page(chrome, address):
    chrome.open(address)
    yield chrome
    assert chrome.complaints() == []
    assert [each for each in chrome.requested() if each.partition("#")[0] != address] == []


def hash_of(page):
    return page.evaluate("location.hash.slice(1)")


def test_j_and_k_walk_over_what_did_not_pass_and_around(page):
    unmet = page.evaluate(UNMET)
    walked = []
    for _ in unmet:
        page.press("j")
        walked.append(hash_of(page))
        assert page.evaluate("document.activeElement.id") == walked[-1]
    assert walked == unmet
    page.press("j")
    assert hash_of(page) == unmet[0]
    page.press("k")
    assert hash_of(page) == unmet[-1]
    assert page.evaluate("document.querySelectorAll('.card.current').length") == 1


def test_k_first_starts_from_the_end(page):
    page.press("k")
    assert hash_of(page) == page.evaluate(UNMET)[-1]


def test_the_slash_leads_into_the_filter_and_escape_out_of_it(page):
    page.press("/")
    assert page.evaluate("document.activeElement.id") == "filter"
    assert page.evaluate("document.getElementById('filter').value") == ""
    page.press("Escape")
    assert page.evaluate("document.activeElement === document.body")


def test_keys_typed_into_the_filter_are_text(page):
    page.press("/", "j", "k", "c", "?")
    assert page.evaluate("document.getElementById('filter').value") == "jkc?"
    assert page.evaluate("document.querySelectorAll('.card.current').length") == 0
    assert page.evaluate("document.getElementById('said').textContent") == ""
    assert page.evaluate("document.getElementById('help').hidden")


def test_keys_with_a_modifier_belong_to_the_browser(page):
    page.call(
        "Input.dispatchKeyEvent", type="keyDown", key="j", windowsVirtualKeyCode=74, modifiers=2
    )
    assert hash_of(page) == ""


def test_a_question_mark_shows_the_keys_and_escape_hides_them(page):
    page.press("?")
    assert "previous test that did not pass" in page.evaluate(
        "document.getElementById('help').innerText"
    )
    page.press("Escape")
    assert page.evaluate("document.getElementById('help').hidden")
    page.press("?", "?")
    assert page.evaluate("document.getElementById('help').hidden")


def test_c_copies_the_summary_as_markdown(page):
    page.evaluate(
        "navigator.clipboard.writeText = (text) => { window.copied = text; return Promise.resolve(); }"
    )
    page.press("c")
    copied = page.evaluate("window.copied")
    assert page.evaluate("document.getElementById('said').textContent") == "copied"
    assert copied.splitlines()[0].startswith("**‼ 2 invalid ✗ 2 missed")
    assert "| verdict | test | executor | gate | observed | interval | limit |" in copied
    assert "threads reached 1.42x, 29 % below the required 2.00x." in copied


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("status:missed", {"test_orders_scale[lock]", "test_orders_stay_quick"}),
        ("status:missed -stay", {"test_orders_scale[lock]"}),
        ("exec:cuda", {"test_infer_on_device"}),
        ("exec:processes status:met", {"test_processes_cold"}),
        ("ORDERS near", {"test_orders_near"}),
        ("status:fail -invalid -missed", set()),
    ],
)
def test_the_filter_shows_the_rows_that_fit_and_counts_them(page, query, expected):
    page.press("/")
    page.call("Input.insertText", text=query)
    shown = page.evaluate(ROWS)
    assert {name.partition("::")[2] for name in shown} == expected
    total = page.evaluate("document.querySelectorAll('tr[data-search]').length")
    said = page.evaluate("document.getElementById('shown').textContent")
    assert said == f"{len(shown)} of {total} rows"
    assert urllib.parse.unquote(hash_of(page)) == f"q={query}"


def test_an_emptied_filter_shows_all_rows_and_leaves_the_address_clean(page):
    page.press("/")
    page.call("Input.insertText", text="x")
    page.evaluate("document.getElementById('filter').select()")
    page.call("Input.insertText", text="")
    assert len(page.evaluate(ROWS)) == page.evaluate(
        "document.querySelectorAll('tr[data-search]').length"
    )
    assert hash_of(page) == ""


IS_SEEN = """(() => {{ const box = document.getElementById('{0}').getBoundingClientRect();
    return box.height > 0 && box.top < innerHeight && box.bottom > 0; }})()"""


@pytest.mark.parametrize("scripts", [True, False], ids=["with-scripts", "without-scripts"])
def test_a_permalink_opens_a_closed_test_and_shows_it(chrome, address, scripts):
    name = anchor(documents.met()["nodeid"])
    chrome.open(address)
    assert not chrome.evaluate(IS_SEEN.format(name))
    chrome.call("Emulation.setScriptExecutionDisabled", value=not scripts)
    try:
        chrome.open(f"{address}#{name}")
    finally:
        chrome.call("Emulation.setScriptExecutionDisabled", value=False)
    assert chrome.evaluate("document.getElementById('tools').hidden") is not scripts
    assert chrome.evaluate(IS_SEEN.format(name))


def test_a_link_in_the_table_opens_its_test(page):
    name = anchor(documents.met()["nodeid"])
    page.evaluate(f"document.querySelector('.tests a[href=\"#{name}\"]').click()")
    page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    assert page.evaluate(IS_SEEN.format(name))


def test_a_timeline_zooms_and_moves_by_keys_and_never_takes_the_pages_wheel(page):
    name = anchor(documents.met()["nodeid"])
    page.evaluate(f"document.getElementById('{name}').closest('details').open = true")
    page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    canvas = f"document.querySelector('#{name} canvas')"
    picture = f"new Promise((done) => requestAnimationFrame(() => done({canvas}.toDataURL())))"
    wheel = "!{0}.dispatchEvent(new WheelEvent('wheel', {{deltaY: -1, cancelable: true{1}}}))"
    whole = page.evaluate(picture)
    assert page.evaluate(wheel.format(canvas, "")) is False
    assert page.evaluate(wheel.format(canvas, ", ctrlKey: true")) is True
    assert page.evaluate(picture) != whole
    page.evaluate(f"{canvas}.focus()")
    page.press("Home")
    assert page.evaluate(picture) == whole
    page.press("+")
    near = page.evaluate(picture)
    page.press("ArrowRight")
    assert len({whole, near, page.evaluate(picture)}) == 3
