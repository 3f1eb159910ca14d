"""The page in a real browser: no errors, no policy violations, scripts only add."""

import re
import struct
import subprocess

import documents
import pages
import pytest
from devtools import CHROMIUM, FLAGS, needs_chromium

from pytest_pipeline.report import html

pytestmark = needs_chromium("the report was not looked at in a browser")
MESSAGE = re.compile(r':CONSOLE[^"]*"(.*)"')


def browse(folder, url, *flags):
    """Return standard output and the console messages of one page load without any network."""
    command = [
        CHROMIUM,
        *FLAGS,
        "--enable-logging=stderr",
        "--virtual-time-budget=3000",
        f"--user-data-dir={folder / 'profile'}",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        *flags,
        url,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return done.stdout, MESSAGE.findall(done.stderr)


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "report.html"
    html.write(documents.full(), path)
    return path


def test_scripts_run_within_the_policy_and_reveal_the_controls(page, tmp_path):
    dom, messages = browse(tmp_path, page.as_uri(), "--dump-dom")
    assert messages == []
    root = pages.parse(dom)
    assert pages.by_id(root, "filter").get("type") == "search"
    assert pages.by_id(root, "filter-line").get("hidden") is None
    assert pages.by_id(root, "tools").get("hidden") is None


def test_a_filter_in_the_address_hides_other_rows(page, tmp_path):
    dom, messages = browse(tmp_path, page.as_uri() + "#q=status:missed%20-stay", "--dump-dom")
    assert messages == []
    root = pages.parse(dom)
    rows = [each for each in pages.elements(root, "tr") if each.get("data-search")]
    shown = [each for each in rows if each.get("hidden") is None]
    assert [pages.text_of(each) for each in shown] != []
    assert all("scale[lock]" in pages.text_of(each) for each in shown)
    assert pages.text_of(pages.by_id(root, "shown")) == f"{len(shown)} of {len(rows)} rows"


def test_a_permalink_opens_a_closed_test(page, tmp_path):
    from pytest_pipeline.report.text import anchor

    name = anchor(documents.met()["nodeid"])
    dom, _ = browse(tmp_path, f"{page.as_uri()}#{name}", "--dump-dom")
    root = pages.parse(dom)
    opened = [
        each for each in pages.with_class(root, "card", "met") if each.get("open") is not None
    ]
    assert len(opened) == 1
    assert pages.by_id(opened[0], name) is not None


def test_injected_scripts_are_blocked(page, tmp_path):
    tampered = page.read_text().replace(
        "<main>",
        '<main><script>document.title="owned"</script><img src="x" onerror="document.title=1">',
    )
    page.write_text(tampered)
    dom, messages = browse(tmp_path, page.as_uri(), "--dump-dom")
    assert "<title>owned" not in dom
    assert any("Content Security Policy" in each for each in messages)


@pytest.mark.parametrize(
    "flags", [(), ("--blink-settings=preferredColorScheme=0",)], ids=["light", "dark"]
)
def test_both_themes_paint(page, tmp_path, flags):
    picture = tmp_path / "page.png"
    browse(tmp_path, page.as_uri(), f"--screenshot={picture}", "--window-size=1280,720", *flags)
    assert is_painted(picture)


def test_a_host_that_forbids_scripts_still_shows_the_page(page, tmp_path):
    # A sandboxed frame is what Jenkins and other artifact viewers put around a report.
    frame = tmp_path / "frame.html"
    frame.write_text(f'<iframe sandbox width="1240" height="700" src="{page.name}"></iframe>')
    picture = tmp_path / "page.png"
    _, messages = browse(
        tmp_path, frame.as_uri(), f"--screenshot={picture}", "--window-size=1280,720"
    )
    assert any("sandboxed" in each for each in messages)
    assert is_painted(picture)


def is_painted(picture):
    data = picture.read_bytes()
    return struct.unpack(">II", data[16:24]) == (1280, 720) and len(data) > 40_000


def test_a_timeline_becomes_zoomable_only_when_its_test_is_opened(tmp_path):
    from pytest_pipeline.report.text import anchor

    path = tmp_path / "report.html"
    html.write(documents.document(documents.met()), path)
    closed, _ = browse(tmp_path, path.as_uri(), "--dump-dom")
    assert pages.elements(pages.parse(closed), "canvas") == []
    name = anchor(documents.met()["nodeid"])
    opened, messages = browse(tmp_path, f"{path.as_uri()}#{name}", "--dump-dom")
    assert messages == []
    (canvas,) = pages.elements(pages.parse(opened), "canvas")
    assert "Timeline of threads" in canvas.get("aria-label")
    assert canvas.get("tabindex") == "0"


def test_a_timeline_that_is_not_embedded_stays_a_picture(tmp_path):
    from pytest_pipeline.report.text import anchor

    test = documents.met()
    path = tmp_path / "report.html"
    html.write(documents.document(test), path)
    data = path.read_text()
    path.write_text(data.replace('"timeline":{', '"timeline_of_another":{'))
    opened, messages = browse(tmp_path, f"{path.as_uri()}#{anchor(test['nodeid'])}", "--dump-dom")
    assert messages == []
    root = pages.parse(opened)
    assert pages.elements(root, "canvas") == []
    assert not pages.with_class(root, "replaced")
