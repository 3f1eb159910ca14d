"""`--pipeline-history`: what is kept and shown, and never a failed test for its sake."""

from __future__ import annotations

import json

import pytest
from xdist_suite import GATES, kept_in

from pytest_pipeline.report import html

FILE = "past.sqlite"
OPTION = f"--pipeline-history={FILE}"


@pytest.fixture
def go(run):
    return lambda *options: run(GATES, *options)


def test_only_what_was_measured_and_right_is_kept(go, pytester):
    go(OPTION)
    assert [
        (row[0].partition("::")[2], row[5], row[6]) for row in kept_in(pytester.path / FILE)
    ] == [
        ("test_gate[met]", 2.61, "met"),
        ("test_gate[missed]", 1.42, "missed"),
        ("test_gate[near]", 1.98, "inconclusive"),
    ]


def test_the_second_session_shows_the_first_and_the_json_rebuilds_the_page(go, pytester):
    go(OPTION)
    go(OPTION, "--pipeline-json=out.json", "--pipeline-report=out.html")
    document = json.loads((pytester.path / "out.json").read_text())
    missed = next(test for test in document["tests"] if "missed" in test["nodeid"])
    assert [len(each["points"]) for each in missed["history"]] == [2]
    page = (pytester.path / "out.html").read_text()
    assert "Since baseline" in page
    assert page == html.render(document)
    assert len(kept_in(pytester.path / FILE)) == 6


@pytest.mark.parametrize("options", [(), (OPTION, "--pipeline-off"), ("--pipeline-history=off",)])
def test_nothing_is_kept_when_nobody_asked_or_nothing_was_measured(go, pytester, options):
    go(*options)
    assert not list(pytester.path.glob("*sqlite*"))


@pytest.mark.parametrize("name", ["damaged", "folder", "file/inside"])
def test_a_file_that_cannot_be_used_is_one_line_and_the_verdicts_stand(go, pytester, name):
    (pytester.path / "damaged").write_text("no database")
    (pytester.path / "folder").mkdir()
    (pytester.path / "file").write_text("")
    result = go(f"--pipeline-history={name}")
    result.assert_outcomes(passed=1, failed=3, skipped=2)
    result.stdout.fnmatch_lines([f"pipeline: history {name}: *; this session is not in it"])
    result.stdout.no_fnmatch_line("*INTERNALERROR*")
