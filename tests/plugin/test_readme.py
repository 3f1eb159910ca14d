"""The first test that the README shows, run as it stands there, prints what the README shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from virtual_suite import CONFTEST

README = (Path(__file__).parent.parent.parent / "README.md").read_text("utf-8")
SOURCE, MET, MISSED = re.findall(r"^```\w*\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)[:3]
WORKING_SLEEP = """

@pytest.fixture(autouse=True)
def sleep_is_work(monkeypatch, machine):
    monkeypatch.setattr("time.sleep", machine.work)
"""


@pytest.fixture
def printed(pytester, monkeypatch):
    """Run a file on a terminal of 80 columns; its sleeps are work of the fake machine."""
    monkeypatch.setenv("COLUMNS", "80")

    def printed(source, *options):
        pytester.makeconftest(CONFTEST + WORKING_SLEEP)
        pytester.makepyfile(test_shop=source)
        arguments = ("-p", "pytest_pipeline.plugin", "-p", "no:cacheprovider", "-q", *options)
        return shape(pytester.runpytest_inprocess(*arguments).outlines)

    return printed


def shape(lines):
    """Leave of each line what does not depend on the machine."""
    numberless = (re.sub(r"#t-[0-9a-f]+|\d+(\.\d+)?", "N", line) for line in lines)
    return [re.sub(r" +", " ", line.rstrip()) for line in numberless]


def not_in_this_order(expected, found):
    rest = iter(found)
    return [line for line in expected if line not in rest]


def test_a_gate_that_is_met_prints_what_the_readme_shows(printed):
    assert not_in_this_order(shape(MET.splitlines()), printed(SOURCE)) == []


def test_asked_for_too_much_it_fails_as_the_readme_shows(printed):
    asked = SOURCE.replace("min=1.8", "min=3.0")
    found = printed(asked, "--pipeline-report=report.html")
    assert not_in_this_order(shape(MISSED.splitlines()), found) == []
