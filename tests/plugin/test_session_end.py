"""Something of ours goes wrong at the end of a session: pytest's own summary is there, with a line about it."""

from __future__ import annotations

import json

import pytest
from xdist_suite import COMMAND

MET = """
import pytest

@pytest.mark.speedup(min=2.0)
def test_gate(pipeline):
    pipeline.run(["met"], [])
"""
SAID = "pipeline: the results could not be written (ZeroDivisionError: division by zero, test_session_end.py:*); the outcomes of the tests stand"


def broken(*arguments, **options):
    return 1 / 0


def test_a_temporary_directory_that_a_test_empties_costs_nothing(pytester):
    pytester.makepyfile("""
        import shutil

        def test_tidies_up(request):
            shutil.rmtree(request.config.workerinput["pipeline_folder"])
        """)
    result = pytester.run(*COMMAND, "-n1", timeout=60)
    result.assert_outcomes(passed=1)
    assert "Traceback" not in result.stdout.str() + result.stderr.str()


def test_without_a_home_directory_the_results_are_written_as_they_are(run, pytester, monkeypatch):
    def nowhere():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr("pytest_pipeline.plugin.ending.context.Path.home", nowhere)
    run(MET, "--pipeline-json=out.json").assert_outcomes(passed=1)
    (test,) = json.loads((pytester.path / "out.json").read_text())["tests"]
    assert test["outcome"] == "met"


@pytest.mark.parametrize(
    "what",
    [
        "plugin.ending.finish.add_history",
        "report.terminal.summary_lines",
        "plugin.ending.finish.finish",
    ],
)
def test_an_error_of_our_own_is_a_line_of_the_summary(run, monkeypatch, what):
    monkeypatch.setattr(f"pytest_pipeline.{what}", broken)
    result = run(MET, "--pipeline-json=out.json")
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines([SAID, "*1 passed*"])


def skipping(*arguments, **options):
    pytest.skip("no data here")


@pytest.mark.parametrize("what", ["ending.finish.finish", "ending.finish.print_summary"])
def test_a_hook_of_somebody_else_s_that_skips_at_the_end_costs_no_summary(run, monkeypatch, what):
    monkeypatch.setattr(f"pytest_pipeline.plugin.{what}", skipping)
    result = run(MET, "--pipeline-json=out.json")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*(Skipped: no data here, *", "*1 passed*"])


def test_a_share_of_decided_gates_that_could_not_be_counted_is_not_reached(run, monkeypatch):
    monkeypatch.setattr("pytest_pipeline.plugin.ending.finish.add_history", broken)
    result = run(MET, "--pipeline-min-decided=0.9")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([SAID])
