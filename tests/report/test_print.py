"""The page on paper: white also for people who like it dark, failures unfolded, not a hundred sheets."""

import struct
import zlib

import devtools
import documents
import pytest

from pytest_pipeline.report import html

pytestmark = devtools.needs_chromium("nobody looked at the printed report")
SENTENCE = "threads reached 1.42x, 29 % below the required 2.00x."


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """One failure among a hundred passing tests."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    passing = [documents.met(f"tests/test_shop.py::test_pass[{k}]") for k in range(100)]
    html.write(documents.document(*passing, documents.missed()), path)
    return path.as_uri()


@pytest.fixture
def page(chrome, many):
    chrome.open(many)
    chrome.emulate(media="print", scheme="dark")
    yield chrome
    chrome.emulate()


def corner_of(png):
    """Return red, green and blue of the upper left pixel, which every PNG filter leaves as it is."""
    length = 0
    at, packed, depth = 8, b"", 0
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        body = png[at + 8 : at + 8 + length]
        depth = body[9] if kind == b"IHDR" else depth
        packed += body if kind == b"IDAT" else b""
        at += length + 12
    assert depth in {2, 6}, "not a true-colour picture"
    return tuple(zlib.decompress(packed)[1:4])


def test_somebody_who_prefers_dark_pages_prints_white_ones(page):
    assert page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    assert corner_of(page.png()) == (255, 255, 255)
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(22, 25, 29)"
    page.emulate(scheme="dark")
    assert corner_of(page.png()) == (15, 20, 25)


def test_a_dark_theme_chosen_by_hand_prints_white_too(page):
    page.evaluate("document.documentElement.setAttribute('data-theme', 'dark')")
    assert corner_of(page.png()) == (255, 255, 255)


def test_details_of_failures_are_unfolded_and_passing_tests_left_out(page):
    seen = "[...document.querySelectorAll('{0}')].filter((each) => each.checkVisibility()).length"
    assert page.evaluate(seen.format(".card[data-unmet] .more figure")) > 3
    assert page.evaluate(seen.format(".card:not([data-unmet])")) == 0
    assert page.evaluate(seen.format("button, input, #help")) == 0


@pytest.fixture
def paper(page):
    pdfium = pytest.importorskip(
        "pypdfium2", reason="pypdfium2 is not installed: the printed sheets were not read"
    )
    printed = pdfium.PdfDocument(page.pdf())
    yield printed
    printed.close()


def words_of(sheet):
    """Return the words of one sheet on one line."""
    text = sheet.get_textpage()
    try:
        return " ".join(text.get_text_range().split())
    finally:
        text.close()


def test_the_first_sheet_says_what_failed_on_white(paper):
    first = paper[0]
    assert SENTENCE in words_of(first)
    pixels = first.render(scale=0.5).to_numpy()
    assert pixels[0, 0].tolist()[:3] == [255, 255, 255]


def test_the_sheets_are_few_and_hold_the_failures_details(paper):
    assert len(paper) <= 15
    text = " ".join(words_of(paper[number]) for number in range(len(paper)))
    assert "Worker ledger of threads" in text
    assert "Resources of processes" in text
