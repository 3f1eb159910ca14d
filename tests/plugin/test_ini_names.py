"""Executors that the ini file names and a conftest.py brings: sessions that do not load it run all the same."""

from __future__ import annotations

HOOK = """
def pytest_pipeline_executors(config):
    return {"pool": "the pool"}
"""
MEASURES = """
from scripted import CALLS

def test_pool(pipeline):
    pipeline.run(["met"], [])
    assert CALLS[-1]["executors"] == ("pool",)
    assert CALLS[-1]["extra_executors"] == {"pool": "the pool"}
"""


def test_a_session_without_the_conftest_of_the_executor_runs_and_one_with_it_measures_on_it(
    run, pytester
):
    pytester.makeini("[pytest]\npipeline_executors = pool\npipeline_require = pool")
    for folder, source in (("src", "def test_plain(): pass"), ("tests", MEASURES)):
        (pytester.mkdir(folder) / f"test_{folder}.py").write_text(source)
    (pytester.path / "tests" / "conftest.py").write_text(HOOK)
    run("", "src").assert_outcomes(passed=1)
    run("", "tests").assert_outcomes(passed=1)
    run("").assert_outcomes(passed=2)


def test_a_misspelt_executor_fails_the_tests_that_would_be_measured_on_it(run, pytester):
    pytester.makeini("[pytest]\npipeline_executors = threds")
    result = run("""
        import pytest

        def test_by_ini(pipeline):
            pipeline.run(["met"], [])

        @pytest.mark.executors("threads")
        def test_by_marker(pipeline):
            pipeline.run(["met"], [])

        def test_by_call(pipeline):
            pipeline.run(["met"], [], executors=["threads"])
        """)
    result.assert_outcomes(failed=1, passed=2)
    said = "ini option pipeline_executors: unknown executor 'threds' (did you mean 'threads'?)"
    result.stdout.fnmatch_lines([f"E *UsageError: {said}; known: *"])


def test_a_required_executor_that_nobody_offers_is_one_warning(run, pytester):
    pytester.makeini("[pytest]\npipeline_require = gpu")
    result = run("""
        def test_one(pipeline):
            pipeline.run(["met"], [])

        def test_two(pipeline):
            pipeline.run(["met"], [])
        """)
    result.assert_outcomes(passed=2, warnings=1)
    said = "unknown executor 'gpu'; known: serial, threads, processes, cuda; nothing is required of it here"
    result.stdout.fnmatch_lines(
        [f"*test_it.py:1: PipelineWarning: ini option pipeline_require: {said}"]
    )
