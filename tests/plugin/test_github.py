"""On GitHub Actions the failing line is annotated once, and the job's summary has the results."""

from __future__ import annotations

import pytest

from pytest_pipeline.plugin.ending import github

MISSED = """
import pytest

@pytest.mark.speedup(min=2.0)
def test_gate(pipeline):
    pipeline.run(["missed"], [])

@pytest.mark.xfail(strict=True)
@pytest.mark.speedup(min=2.0)
def test_expected(pipeline):
    pipeline.run(["missed"], [])

@pytest.mark.speedup(min=2.0)
def test_met(pipeline):
    pipeline.run(["met"], [])
"""
LINE = "::error file=test_it.py,line=3,title=test_it.py%3A%3Atest_gate::speedup 1.42x < 2.00x (threads)"


@pytest.fixture
def _on_github(monkeypatch, pytester):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(pytester.path))


def annotations(result):
    return [line for line in result.outlines if line.startswith("::")]


@pytest.mark.usefixtures("_on_github")
def test_a_failed_gate_is_annotated_at_the_users_line(run_both):
    assert annotations(run_both(MISSED)) == [LINE]


@pytest.mark.usefixtures("_on_github")
def test_an_ordinary_error_of_a_measuring_test_is_annotated_at_its_own_line(run):
    (line,) = annotations(
        run("""
            def test_study(pipeline):
                pipeline.run(["met"], [])
                assert "100%" == 1, "a, b: c"
            """)
    )
    assert line.startswith("::error file=test_it.py,line=3,title=test_it.py%3A%3Atest_study::")
    assert "a, b: c" in line
    assert "100%25" in line


@pytest.mark.usefixtures("_on_github")
def test_the_path_is_the_repository_s_when_pytest_runs_in_a_folder_of_it(
    run, monkeypatch, pytester
):
    monkeypatch.setenv("GITHUB_WORKSPACE", str(pytester.path.parent))
    (line,) = annotations(run(MISSED))
    assert f"file={pytester.path.name}/test_it.py,line=3" in line


def test_elsewhere_nothing_is_annotated(run):
    assert annotations(run(MISSED)) == []


@pytest.mark.usefixtures("_on_github")
def test_with_the_annotating_plugin_we_leave_it_to_it(run, pytester):
    pytester.makepyfile(pytest_github_actions_annotate_failures="")
    pytester.syspathinsert()
    assert annotations(run(MISSED, "-p", "pytest_github_actions_annotate_failures")) == []


@pytest.mark.usefixtures("_on_github")
def test_not_more_annotations_than_github_shows(run):
    source = MISSED.replace(
        "@pytest.mark.speedup(min=2.0)\ndef test_gate(pipeline)",
        "@pytest.mark.parametrize('n', range(12))\n@pytest.mark.speedup(min=2.0)\ndef test_gate(pipeline, n)",
    )
    assert len(annotations(run(source))) == 10


def test_the_results_are_appended_to_the_summary_of_the_job(run_both, monkeypatch, pytester):
    path = pytester.path / "summary.md"
    path.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    run_both(MISSED)
    text = path.read_text()
    assert text.startswith("before\n\n### pytest-pipeline: 3 gates")
    assert text.count("### pytest-pipeline") == 1


def test_a_session_without_measuring_tests_leaves_the_summary_alone(run, monkeypatch, pytester):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(pytester.path / "summary.md"))
    run("def test_ordinary(): pass")
    assert not (pytester.path / "summary.md").exists()


def test_the_summary_is_cut_before_github_would_drop_it(run, monkeypatch, pytester):
    path = pytester.path / "summary.md"
    path.write_bytes(b"x" * (github.MAX_SUMMARY_BYTES - 120))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    run(MISSED)
    size = path.stat().st_size
    assert github.MAX_SUMMARY_BYTES - 120 < size <= github.MAX_SUMMARY_BYTES


def test_a_summary_that_cannot_be_written_is_a_notice(run, monkeypatch, pytester):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(pytester.path))
    result = run("def test_met(pipeline): pipeline.run(['met'], [])")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["pipeline: could not append to $GITHUB_STEP_SUMMARY*"])
