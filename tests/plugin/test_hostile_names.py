"""Test ids, parameters and exception texts that look like markup, and tests that broke early, from a whole session."""

from __future__ import annotations

import json

import html5lib

HOSTILE = """
import pytest

TEXTS = ["</script><img src=x onerror=alert(1)>", "\\"'&{{ 7 * 7 }}", "nul \\x00 bidi \\u202e", "x" * 10_000]

@pytest.mark.speedup(min=2.0)
@pytest.mark.parametrize("text", TEXTS)
def test_gate(pipeline, text):
    pipeline.run(["missed"], [])
    raise ValueError(text)

@pytest.mark.speedup(min=2.0)
def test_never_measured(pipeline):
    raise ValueError(TEXTS[0] + TEXTS[2])
"""


def test_hostile_ids_and_exceptions_stay_text_in_every_file(run, pytester):
    options = [f"--pipeline-{kind}=out.{kind}" for kind in ("report", "json", "markdown")]
    run(HOSTILE, *options).assert_outcomes(failed=5)
    page = html5lib.parse((pytester.path / "out.report").read_text(), namespaceHTMLElements=False)
    assert len(list(page.iter("script"))) == 2
    assert not list(page.iter("img"))
    text = "".join(page.itertext())
    assert "test_gate[</script><img src=x onerror=alert(1)>]" in text
    assert "ValueError: \"'&{{ 7 * 7 }}" in text
    assert "\\u202e" in text
    assert "\u202e" not in text
    assert "x" * 10_000 in text
    document = json.loads((pytester.path / "out.json").read_text())
    assert len(document["tests"]) == 5
    rows = (pytester.path / "out.markdown").read_text()
    assert "\x00" not in rows
    assert len(rows) < 64_000


BROKEN = """
import pytest

@pytest.fixture
def database():
    raise OSError("no database")

@pytest.mark.speedup(min=2.0)
def test_body(pipeline):
    raise ValueError("no file")

@pytest.mark.speedup(min=2.0)
def test_setup(pipeline, database):
    pipeline.run(["met"], [])
"""


def test_a_gated_test_that_broke_before_it_measured_is_not_missing_from_the_report(run, pytester):
    result = run(BROKEN, "--pipeline-json=out.json", "--pipeline-report=out.html")
    result.assert_outcomes(failed=1, errors=1)
    tests = json.loads((pytester.path / "out.json").read_text())["tests"]
    assert [(each["outcome"], each["error"]) for each in tests] == [
        ("invalid", "ValueError: no file"),
        ("invalid", "OSError: no database"),
    ]
    assert "OSError: no database" in (pytester.path / "out.html").read_text()
