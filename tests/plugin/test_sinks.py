"""`pytest_pipeline_finding`: a hook that hears every finding, however the body ended, and changes no verdict."""

from __future__ import annotations

import json

import pytest
from virtual_suite import CONFTEST
from xdist_suite import COMMAND

SINK = """
import json
from pathlib import Path
from scripted import pytest_configure

def pytest_pipeline_finding(config, finding):
    line = {"verdict": finding.verdict, "executor": finding.executor, "line": finding.headline}
    with Path("findings.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\\n")
"""
GATE = """
import pytest

@pytest.mark.speedup(min=2.0)
def test_gate(pipeline):
    result = pipeline.run(["{script}"], [])
    {rest}
"""
RAISES = """
def pytest_pipeline_finding(config, finding):
    raise ValueError("no connection")
"""
RAISED = "pytest_pipeline_finding raised ValueError: no connection; the verdict stands: correct that hook"


def heard(pytester):
    lines = (pytester.path / "findings.jsonl").read_text().splitlines()
    return [json.loads(line)["verdict"] for line in lines]


@pytest.mark.parametrize("options", [(), ("-n2",)])
def test_a_sink_hears_every_finding_once(pytester, options):
    pytester.makeconftest(SINK)
    pytester.makepyfile("""
        import pytest

        @pytest.mark.speedup(min=2.0)
        @pytest.mark.parametrize("script", ["met", "missed", "near"])
        def test_gate(pipeline, script):
            pipeline.run([script], [])
        """)
    pytester.run(*COMMAND, *options, timeout=60)
    assert sorted(heard(pytester)) == ["inconclusive", "met", "missed"]


@pytest.mark.parametrize(
    "rest", ["result.assert_met()", "assert 1 == 2", "pytest.skip('not today')", "1 / 0"]
)
def test_a_sink_hears_a_miss_whatever_the_body_raises_after_it(run, pytester, rest):
    run(GATE.format(script="missed", rest=rest), conftest=SINK)
    assert heard(pytester) == ["missed"]


def test_a_sink_hears_that_a_stage_raised(pytester):
    pytester.makeconftest(CONFTEST + SINK.replace("from scripted import pytest_configure", ""))
    pytester.makepyfile("""
        def test_gate(pipeline):
            pipeline.run([lambda item: 1 // item], [0])
        """)
    result = pytester.runpytest_inprocess("-p", "pytest_pipeline.plugin")
    result.assert_outcomes(failed=1)
    assert heard(pytester) == ["invalid"]


def test_a_sink_that_raises_is_a_warning_at_the_test_and_changes_no_verdict(run):
    met = run(GATE.format(script="met", rest=""), conftest=RAISES)
    met.assert_outcomes(passed=1, warnings=1)
    met.stdout.fnmatch_lines(["*test_it.py:3: PipelineWarning: " + RAISED])
    missed = run(GATE.format(script="missed", rest="result.assert_met()"), conftest=RAISES)
    missed.assert_outcomes(failed=1, warnings=1)
    missed.stdout.fnmatch_lines(["FAILED *::test_gate - speedup 1.42x < 2.00x (threads)"])


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("pytest.importorskip('nowhere')", "Skipped: could not import 'nowhere'*"),
        ("pytest.skip('no connection')", "Skipped: no connection"),
        ("pytest.fail('no connection')", "Failed: no connection"),
    ],
)
def test_a_sink_that_skips_or_fails_changes_no_verdict_either(run, call, said):
    conftest = f"def pytest_pipeline_finding(config, finding): {call}"
    met = run(GATE.format(script="met", rest=""), conftest=conftest)
    met.assert_outcomes(passed=1, warnings=1)
    met.stdout.fnmatch_lines([f"*PipelineWarning: pytest_pipeline_finding raised {said}*"])
    missed = run(GATE.format(script="missed", rest=""), conftest=conftest)
    missed.assert_outcomes(failed=1, warnings=1)
    missed.stdout.fnmatch_lines(["FAILED *::test_gate - speedup 1.42x < 2.00x (threads)"])


def test_a_sink_may_end_the_session_and_what_was_measured_is_told(run):
    conftest = "def pytest_pipeline_finding(config, finding): pytest.exit('enough')"
    result = run(GATE.format(script="missed", rest=""), conftest=conftest)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*1 missed*", "*Exit: enough*"])


def test_where_warnings_are_errors_a_sink_that_raises_fails_a_met_gate_and_hides_no_miss(run):
    met = run(GATE.format(script="met", rest=""), "-W", "error", conftest=RAISES)
    met.stdout.fnmatch_lines(
        ["FAILED *PipelineWarning: pytest_pipeline_finding raised ValueError*"]
    )
    missed = run(GATE.format(script="missed", rest=""), "-W", "error", conftest=RAISES)
    missed.stdout.fnmatch_lines(["FAILED *::test_gate - speedup 1.42x < 2.00x (threads)"])
