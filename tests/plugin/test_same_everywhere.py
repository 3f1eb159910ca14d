"""However the tests are distributed, the document, the page, the summary and the history are the same."""

from __future__ import annotations

import json

import pytest
from xdist_suite import COMMAND, GATES, kept_in

from pytest_pipeline.report import html

OUTPUTS = [
    "--pipeline-json=out.json",
    "--pipeline-report=out.html",
    "--pipeline-history=past.sqlite",
]
SUITE = f"""{GATES}
@pytest.mark.speedup(min=2.0)
def test_nothing():
    pass

class TestGroup:
    @pytest.mark.xdist_group("group")
    @pytest.mark.p99_latency(max="5ms")
    def test_latency(self, pipeline):
        pipeline.run(["missed"], [])

    @pytest.mark.xdist_group("group")
    def test_ungated(self, pipeline):
        pipeline.run(["met"], [])

@pytest.mark.parametrize("number", range(4))
def test_ordinary(number):
    pass
"""
DISTRIBUTIONS = {
    "-n0": ("-n0",),
    "load": ("-n2",),
    "loadscope": ("-n2", "--dist=loadscope"),
    "loadfile": ("-n2", "--dist=loadfile"),
    "loadgroup": ("-n2", "--dist=loadgroup"),
    "worksteal": ("-n2", "--dist=worksteal"),
    "each": ("--tx=1*popen", "--dist=each"),
    "auto": ("-n", "auto"),
}


class Ended:
    """What a run left behind, without what differs from run to run."""

    def __init__(self, result, folder):
        document = json.loads((folder / "out.json").read_text())
        self.is_page_of_document = (folder / "out.html").read_text() == html.render(document)
        self.outcomes = result.parseoutcomes()
        lines = result.outlines
        begin = next(k for k, line in enumerate(lines) if line.strip("= ") == "pipeline")
        end = next(k for k, line in enumerate(lines) if line.startswith("pipeline: wrote"))
        self.summary = lines[begin + 1 : end]
        for test in document["tests"]:
            del test["seconds"], test["worker"]
            test.pop("history", None)  # its point has the time; what is kept is compared below
        self.tests = document["tests"]
        self.environment = document["environment"]
        self.kept = kept_in(folder / "past.sqlite")


@pytest.fixture
def ended(pytester):
    def ended(*options):
        pytester.makeconftest("from scripted import pytest_configure")
        for name in ("test_one", "test_two"):
            pytester.makepyfile(**{name: SUITE})
        (pytester.path / "past.sqlite").unlink(missing_ok=True)
        result = pytester.run(*COMMAND, *OUTPUTS, *options, timeout=120)
        return Ended(result, pytester.path)

    return ended


@pytest.fixture
def alone(ended):
    """Run without xdist, once for all the tests of this file: the run is the same each time."""
    if not _ALONE:
        _ALONE.append(ended())
    return _ALONE[0]


_ALONE: list[Ended] = []


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_document_page_summary_and_history_are_those_of_a_run_without_xdist(
    ended, alone, distribution
):
    distributed = ended(*DISTRIBUTIONS[distribution])
    assert distributed.tests == alone.tests
    assert distributed.environment == alone.environment
    assert distributed.summary == alone.summary
    assert distributed.outcomes == alone.outcomes
    assert distributed.kept == alone.kept
    assert distributed.is_page_of_document


@pytest.mark.parametrize("options", [(), ("-n2",)])
def test_stopped_at_the_first_failure_what_was_measured_is_all_there(ended, alone, options):
    stopped = ended("-x", *options)
    assert 0 < len(stopped.tests) < len(alone.tests)
    assert all(test in alone.tests for test in stopped.tests)
    measured = {test["nodeid"] for test in stopped.tests}
    assert stopped.kept == [row for row in alone.kept if row[0] in measured]
    assert "missed" in {test["outcome"] for test in stopped.tests}
    assert [line for line in stopped.summary if "missed" in line]
    assert stopped.is_page_of_document
