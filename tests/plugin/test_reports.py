"""Files written at the end, and what happens when they cannot be."""

from __future__ import annotations

import json
import sys

import pytest

from pytest_pipeline.report.page import view
from tests.plugin.conftest import PLUGINS

MET = """
import pytest

@pytest.mark.speedup(min=2.0)
def test_gate(pipeline):
    pipeline.run(["met"], [])
"""
MISSED = MET.replace('"met"', '"missed"')
ORDINARY = "def test_ordinary(): pass"


def test_the_same_document_whoever_ran_the_tests(run_both, pytester):
    result = run_both(
        """
        import pytest

        @pytest.mark.speedup(min=2.0)
        @pytest.mark.parametrize("script", ["met", "missed numpy", "near", "unavailable"])
        def test_gate(pipeline, script):
            pipeline.run([script], [])

        @pytest.mark.speedup(min=2.0)
        def test_nothing():
            pass

        def test_ordinary():
            pass
        """,
        "--pipeline-json=out.json",
    )
    result.stdout.no_fnmatch_line("*INTERNALERROR*")
    document = json.loads((pytester.path / "out.json").read_text())
    assert document["schema"] == "pytest-pipeline/1"
    assert document["environment"]["cpu"] == "cpu"
    assert "--pipeline-json=out.json" in document["context"]["command"]
    outcomes = [(each["nodeid"], each["outcome"]) for each in document["tests"]]
    assert outcomes == [
        ("test_it.py::test_gate[met]", "met"),
        ("test_it.py::test_gate[missed numpy]", "missed"),
        ("test_it.py::test_gate[near]", "inconclusive"),
        ("test_it.py::test_gate[unavailable]", "unavailable"),
        ("test_it.py::test_nothing", "invalid"),
    ]
    assert document["tests"][4]["error"] == (
        "has @pytest.mark.speedup but measured nothing: call pipeline.run(stages, items) in the test"
    )
    assert document["tests"][0]["location"] == "test_it.py:3"
    assert document["tests"][1]["runs"][0]["findings"][0]["clean_rounds"] == 14


def test_all_files_that_were_asked_for_are_written_and_named(run, pytester):
    result = run(
        MET,
        "--pipeline-report=out/report.html",
        "--pipeline-json=out.json",
        "--pipeline-markdown=out.md",
    )
    for name in ("out/report.html", "out.json", "out.md"):
        assert (pytester.path / name).stat().st_size > 0
        result.stdout.fnmatch_lines([f"pipeline: wrote {name}"])


@pytest.mark.parametrize(("options", "is_bare"), [((), True), (("--pipeline-charts=all",), False)])
def test_charts_that_a_large_report_leaves_out_are_drawn_when_asked_for(
    run, pytester, monkeypatch, options, is_bare
):
    monkeypatch.setattr(view, "MAX_FULL_PASSING", 0)
    run(MET, "--pipeline-report=out.html", *options)
    page = (pytester.path / "out.html").read_text()
    assert ("left out to keep this page small" in page) is is_bare


def test_typed_paths_belong_to_the_shell_and_configured_ones_to_the_project(
    pytester, monkeypatch, run
):
    pytester.makeini("[pytest]\npipeline_json = from_ini.json")
    run(ORDINARY)  # writes conftest and ini
    pytester.makepyfile(test_it=MET)
    folder = pytester.mkdir("sub")
    monkeypatch.chdir(folder)
    pytester.runpytest_inprocess(
        "-p", "pytest_pipeline.plugin", "--pipeline-markdown=typed.md", ".."
    )
    assert (pytester.path / "from_ini.json").exists()
    assert (folder / "typed.md").exists()


def test_a_pass_without_options_writes_nothing(run, pytester):
    result = run(MET)
    result.stdout.no_fnmatch_line("*wrote*")
    assert not list(pytester.path.rglob("*.html"))


@pytest.mark.parametrize("script", ["missed", "near", "unavailable", "differs"])
def test_anything_but_a_pass_writes_a_report_and_prints_its_path(run, pytester, script):
    result = run(MET.replace('"met"', f'"{script}"'))
    result.stdout.fnmatch_lines(["pipeline: wrote .pytest_cache/d/pipeline/report.html"])
    assert (pytester.path / ".pytest_cache/d/pipeline/report.html").exists()


def test_the_failure_links_to_its_place_in_the_report(run, pytester):
    from pytest_pipeline.report.text import anchor

    result = run(MISSED, "--pipeline-report=out.html")
    link = anchor("test_it.py::test_gate")
    result.stdout.fnmatch_lines([f"  report: out.html#{link}"])
    assert link in (pytester.path / "out.html").read_text()


def test_off_writes_no_report_whatever_happens(run, pytester):
    result = run(MISSED, "--pipeline-report=off")
    result.stdout.no_fnmatch_line("*report:*")
    assert not list(pytester.path.rglob("report.html"))


def test_a_session_without_performance_tests_prints_and_writes_nothing(run_both, pytester):
    result = run_both(ORDINARY)
    result.assert_outcomes(passed=1)
    assert "pipeline" not in "\n".join(result.outlines).replace("pytest_pipeline", "")
    asked = run_both(ORDINARY, "--pipeline-report=out.html")
    asked.stdout.fnmatch_lines(["pipeline: no measuring test ran, no report was written"])
    assert not (pytester.path / "out.html").exists()


def test_a_report_that_cannot_be_written_is_a_notice_and_the_verdict_stands(run, pytester):
    (pytester.path / "taken").write_text("a file, not a folder")
    result = run(MET, "--pipeline-report=taken/out.html", "--pipeline-json=out.json")
    result.assert_outcomes(passed=1)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["pipeline: could not write taken/out.html: *"])
    assert (pytester.path / "out.json").exists()


def test_an_error_in_the_body_is_kept_with_the_numbers(run, pytester):
    run(MET + "    assert 1 == 2", "--pipeline-json=out.json")
    (test,) = json.loads((pytester.path / "out.json").read_text())["tests"]
    assert test["outcome"] == "invalid"
    assert "assert 1 == 2" in test["error"]
    assert test["runs"][0]["arms"][1]["speedup"]["value"] == 2.61


def test_every_worker_of_dist_each_counts(pytester, run):
    run(ORDINARY)
    pytester.makepyfile(test_it=MET)
    options = ["-p", "pytest_pipeline.plugin", "-p", "xdist.plugin", "--dist=each", "--tx=2*popen"]
    result = pytester.run(sys.executable, "-m", "pytest", *options, "--pipeline-json=out.json")
    result.assert_outcomes(passed=2)
    tests = json.loads((pytester.path / "out.json").read_text())["tests"]
    assert [each["worker"] for each in tests] == ["gw0", "gw1"]


def test_a_test_that_misses_on_any_worker_of_dist_each_is_counted_as_missed(pytester):
    pytester.makeconftest("from scripted import pytest_configure")
    pytester.makepyfile(
        test_it="""
        import os
        import pytest

        @pytest.mark.speedup(min=2.0)
        def test_gate(pipeline):
            is_first = os.environ["PYTEST_XDIST_WORKER"] == "gw0"
            pipeline.run(["missed" if is_first else "met"], [])
        """
    )
    options = ["-p", "pytest_pipeline.plugin", "-p", "xdist.plugin", "--dist=each", "--tx=2*popen"]
    result = pytester.run(sys.executable, "-m", "pytest", *options)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["pipeline: 1 gate: 0 met, 1 missed, 0 inconclusive*"])


def test_the_document_keeps_to_its_schema(run, pytester):
    jsonschema = pytest.importorskip("jsonschema")
    from pytest_pipeline.report.json_file import SCHEMA_FILE

    if not SCHEMA_FILE.exists():
        pytest.skip("the schema is not in this checkout")
    run(
        MISSED + "\n@pytest.mark.speedup(min=2)\ndef test_nothing(): pass",
        "--pipeline-json=out.json",
    )
    document = json.loads((pytester.path / "out.json").read_text())
    jsonschema.validate(document, json.loads(SCHEMA_FILE.read_text()))


def test_a_trace_directory_gets_a_file_that_perfetto_can_open(pytester):
    pytester.makepyfile(test_it="def test_it(pipeline): pipeline.run([abs, str], [1, 2, 3])")
    result = pytester.runpytest_inprocess(*PLUGINS, "--pipeline-off", "--pipeline-trace=traces")
    result.stdout.fnmatch_lines(["pipeline: wrote traces"])
    (file,) = (pytester.path / "traces").iterdir()
    events = json.loads(file.read_text())["traceEvents"]
    names = {event["name"] for event in events if event["ph"] == "X"}
    assert names == {"abs", "str"}
