"""`--pipeline-history`: one writer however tests are distributed, and never a failed test for its sake."""

from __future__ import annotations

import json
import sqlite3

import pytest
from xdist_suite import COMMAND, GATES

from pytest_pipeline.report import html

OPTION = "--pipeline-history=past.sqlite"
DISTRIBUTIONS = [("-n0",), ("-n2",), ("-n2", "--dist=loadscope"), ("-n2", "--dist=worksteal")]


@pytest.fixture
def go(pytester):
    pytester.makeconftest("from scripted import pytest_configure")
    pytester.makepyfile(test_it=GATES)
    return lambda *options: pytester.run(*COMMAND, *options, timeout=60)


def rows(pytester, name="past.sqlite"):
    connection = sqlite3.connect(pytester.path / name)
    found = connection.execute(
        "SELECT nodeid, run, executor, machine, workload, speedup, verdict, verdicts FROM records ORDER BY id"
    ).fetchall()
    connection.close()
    return found


def test_the_same_rows_are_kept_however_the_tests_are_distributed(go, pytester):
    go(OPTION)
    alone = rows(pytester)
    assert [(row[0].partition("::")[2], row[5], row[6]) for row in alone] == [
        ("test_gate[met]", 2.61, "met"),
        ("test_gate[missed]", 1.42, "missed"),
        ("test_gate[near]", 1.98, "inconclusive"),
    ]
    for number, options in enumerate(DISTRIBUTIONS):
        go(f"--pipeline-history={number}.sqlite", *options)
        assert rows(pytester, f"{number}.sqlite") == alone


def test_the_second_session_shows_the_first_and_the_json_rebuilds_the_page(go, pytester):
    go(OPTION)
    go(OPTION, "--pipeline-json=out.json", "--pipeline-report=out.html")
    document = json.loads((pytester.path / "out.json").read_text())
    missed = next(test for test in document["tests"] if "missed" in test["nodeid"])
    assert [len(each["points"]) for each in missed["history"]] == [2]
    page = (pytester.path / "out.html").read_text()
    assert "Since baseline" in page
    assert page == html.render(document)
    assert len(rows(pytester)) == 6


@pytest.mark.parametrize("options", [(), (OPTION, "--pipeline-off"), ("--pipeline-history=off",)])
def test_nothing_is_kept_when_nobody_asked_or_nothing_was_measured(go, pytester, options):
    go(*options)
    assert not list(pytester.path.glob("*sqlite*"))


def test_an_interrupted_test_is_not_kept(go, pytester):
    pytester.makepyfile(
        test_it="def test_a(pipeline):\n    pipeline.run(['met'], [])\n\n"
        "def test_b(pipeline):\n    pipeline.run(['ctrl-c'], [])\n"
    )
    go(OPTION)
    assert [row[0] for row in rows(pytester)] == ["test_it.py::test_a"]


@pytest.mark.parametrize("name", ["damaged", "folder", "file/inside"])
def test_a_file_that_cannot_be_used_is_one_line_and_the_verdicts_stand(go, pytester, name):
    (pytester.path / "damaged").write_text("no database")
    (pytester.path / "folder").mkdir()
    (pytester.path / "file").write_text("")
    result = go(f"--pipeline-history={name}")
    result.assert_outcomes(passed=1, failed=3, skipped=2)
    result.stdout.fnmatch_lines([f"pipeline: history {name}: *; this session is not in it"])
    result.stdout.no_fnmatch_line("*INTERNALERROR*")
