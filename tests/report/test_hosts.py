"""The page where CI hosts show it: behind Jenkins' policy, which forbids scripts and styles, and from a disk."""

import functools
import http.server
import threading

import devtools
import documents
import pytest

from pytest_pipeline.report import html
from pytest_pipeline.report.text import anchor

JENKINS = "sandbox; default-src 'none'; img-src 'self'; style-src 'self';"
"""What a stock Jenkins sends with every artifact (Configuring Content Security Policy, jenkins.io)."""

pytestmark = devtools.needs_chromium("the report was not looked at as an artifact")


class Artifacts(http.server.SimpleHTTPRequestHandler):
    """Serves a folder as Jenkins serves a build's artifacts."""

    def end_headers(self):
        self.send_header("Content-Security-Policy", JENKINS)
        super().end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("artifacts")
    html.write(documents.full(), made / "report.html")
    return made


@pytest.fixture(scope="module")
def jenkins(folder):
    handler = functools.partial(Artifacts, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/report.html"
        server.shutdown()
        thread.join()


VISIBLE = "document.body.innerText.replace(/\\s+/g, ' ')"


def test_behind_jenkins_policy_every_sentence_is_seen_without_scripts_and_styles(chrome, jenkins):
    chrome.open(jenkins)
    assert chrome.evaluate("document.getElementById('tools').hidden")
    assert (
        chrome.evaluate("getComputedStyle(document.querySelector('.card')).borderLeftWidth")
        == "0px"
    )
    seen = chrome.evaluate(VISIBLE)
    for sentence in (
        "threads reached 1.42x, 29 % below the required 2.00x.",
        "the whole interval lies below 1.90x, so this is not noise",
        "threads gave other outputs than serial: item 3 is 17, expected 16.",
        "cuda cannot run here: no CUDA device.",
        "Stage(preprocess, workers=2) is predicted to reach 2.3x",
    ):
        assert sentence in seen


def test_behind_jenkins_policy_charts_keep_their_colours(chrome, jenkins):
    chrome.open(jenkins)
    bar = "document.querySelector('.card.missed svg rect.fill.missed')"
    assert chrome.evaluate(f"getComputedStyle({bar}).fill") == "rgb(179, 32, 28)"


def test_behind_jenkins_policy_a_permalink_opens_its_test(chrome, jenkins):
    name = anchor(documents.met()["nodeid"])
    chrome.open(f"{jenkins}#{name}")
    assert chrome.evaluate(f"document.getElementById('{name}').checkVisibility()")


def test_jenkins_blocks_our_script_and_nothing_else_is_asked_for(chrome, jenkins):
    chrome.open(jenkins)
    assert [each for each in chrome.requested() if not each.startswith(jenkins)] == []
    assert chrome.complaints() != []


def test_from_a_disk_nothing_is_asked_for_and_no_policy_is_violated(chrome, folder):
    address = (folder / "report.html").as_uri()
    chrome.open(address)
    chrome.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    chrome.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    assert chrome.evaluate("document.querySelectorAll('canvas').length") > 3
    assert chrome.requested() == [address]
    assert chrome.complaints() == []
