"""A verdict in every place where pytest shows or uses one."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from importlib.util import find_spec

import pytest

from pytest_pipeline.plugin.session import status_word

MISSED = """
import pytest

@pytest.mark.speedup(min=2.0)
def test_gate(pipeline):
    pipeline.run(["missed"], [])
"""


@pytest.mark.parametrize("style", ["auto", "short", "long", "native", "line", "no"])
def test_every_traceback_style_shows_the_headline(run, style):
    result = run(MISSED, f"--tb={style}")
    result.stdout.fnmatch_lines(["FAILED *::test_gate - speedup 1.42x < 2.00x (threads)"])
    if style == "line":
        result.stdout.fnmatch_lines(["*/test_it.py:3: speedup 1.42x < 2.00x (threads)"])


def test_junit_has_the_message_and_a_few_properties(run_both, pytester):
    run_both(MISSED, "--junitxml=out.xml", "-o", "junit_family=xunit1")
    case = ET.parse(pytester.path / "out.xml").getroot().find(".//testcase")
    assert case.find("failure").get("message") == "speedup 1.42x < 2.00x (threads)"
    assert "bottleneck: stage 'decode'" in case.find("failure").text
    found = {each.get("name"): each.get("value") for each in case.iter("property")}
    assert found["pipeline.verdict"] == "missed"
    assert float(found["pipeline.threads.speedup"]) == 1.42
    assert 3 <= len(found) <= 10


def test_verbose_shows_the_speedup_beside_passed(run_both):
    result = run_both(MISSED.replace("missed", "met"), "-v")
    result.stdout.fnmatch_lines(["*PASSED 2.61x*"])


@pytest.mark.parametrize(
    ("loop", "word"), [("closed", "p99 30.0 ms"), ("open", "p99 30.0 ms"), ("saturated", "")]
)
def test_verbose_shows_no_p99_of_queues_that_the_run_itself_filled(loop, word):
    arm = {"is_baseline": False, "speedup": None, "latency": {"p99_s": 0.03, "loop": loop}}
    assert status_word({"runs": [{"arms": [arm]}]}) == word


def test_last_failed_runs_it_again(run_both):
    assert run_both(MISSED + "\ndef test_other(): pass").ret == 1
    result = run_both(MISSED + "\ndef test_other(): pass", "--lf")
    result.assert_outcomes(failed=1)


def test_stop_at_the_first_failure(run):
    result = run(MISSED + "\ndef test_other(): pass", "-x")
    result.assert_outcomes(failed=1)


@pytest.mark.parametrize(
    ("marker", "script", "outcome"),
    [
        ("xfail", "missed", "xfailed"),
        ("xfail(raises=PipelineRegression)", "missed", "xfailed"),
        ("xfail(raises=ValueError)", "missed", "failed"),
        ("xfail(strict=True)", "met", "failed"),
        ("xfail(reason='known')", "met", "xpassed"),
    ],
)
def test_expected_failures(run, marker, script, outcome):
    result = run(f"""
        import pytest
        from pytest_pipeline import PipelineRegression

        @pytest.mark.{marker}
        @pytest.mark.speedup(min=2.0)
        def test_gate(pipeline):
            pipeline.run(["{script}"], [])
        """)
    result.assert_outcomes(**{outcome: 1})


def test_unittest_classes(run):
    result = run("""
        import unittest
        import pytest

        class TestSuite(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def take(self, pipeline):
                self.pipeline = pipeline

            @pytest.mark.speedup(min=2.0)
            def test_missed(self):
                self.pipeline.run(["missed"], [])

            @pytest.mark.speedup(min=2.0)
            def test_near(self):
                self.pipeline.run(["near"], [])

            @pytest.mark.speedup(min=2.0)
            def test_body(self):
                self.pipeline.run(["missed"], [])
                self.assertEqual(1, 2)

            @pytest.mark.speedup(min=2.0)
            def test_skip(self):
                self.skipTest("not today")
        """)
    result.assert_outcomes(failed=2, skipped=2)
    result.stdout.fnmatch_lines_random(
        [
            "FAILED *::test_missed - speedup 1.42x < 2.00x (threads)",
            "FAILED *::test_body - *AssertionError: 1 != 2",
            "SKIPPED*: inconclusive: speedup*",
            "SKIPPED*not today",
        ]
    )


def test_a_unittest_method_that_ends_before_it_measures_keeps_its_own_outcome(run, pytester):
    result = run(
        """
        import unittest
        import pytest

        @pytest.mark.speedup(min=2.0)
        class TestSuite(unittest.TestCase):
            @unittest.skip("never here")
            def test_marked(self): pass

            def test_skips(self):
                self.skipTest("not today")

            def test_fails(self):
                self.fail("boom")
        """,
        "--pipeline-json=out.json",
    )
    result.assert_outcomes(failed=1, skipped=2)
    (test,) = json.loads((pytester.path / "out.json").read_text())["tests"]
    assert test["nodeid"] == "test_it.py::TestSuite::test_fails"
    assert test["error"] == "AssertionError: boom"
    result.stdout.no_fnmatch_line("*measured nothing*")


def test_class_marks_and_parametrize_marks(run):
    result = run("""
        import pytest

        @pytest.mark.speedup(min=2.0)
        class TestSuite:
            @pytest.mark.parametrize("script", [
                "met", pytest.param("missed", marks=pytest.mark.speedup(min=1.2, executor="threads"))])
            def test_gate(self, pipeline, script):
                pipeline.run([script], [])
        """)
    result.assert_outcomes(passed=1, failed=1)


RERUN = """
    from _pytest.runner import runtestprotocol

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(item, nextitem):
        for attempt in range(2):
            item._initrequest()
            for report in runtestprotocol(item, nextitem=nextitem, log=False):
                if report.failed and attempt == 0:
                    report.outcome = "rerun"
                item.ihook.pytest_runtest_logreport(report=report)
        return True
"""


def test_a_rerun_starts_clean_and_counts_as_an_attempt(run_anywhere, pytester):
    result = run_anywhere(
        """
        import pytest
        SCRIPTS = ["missed", "met"]

        @pytest.mark.speedup(min=2.0)
        def test_gate(pipeline):
            result = pipeline.run([SCRIPTS.pop(0)], [])
        """,
        "--pipeline-json=out.json",
        conftest=RERUN,
    )
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        ["*test_gate *missed*", "*test_gate (attempt 2)*met*", "*1 gate: 1 met*"]
    )


WITH_ID = """
    def pytest_collection_modifyitems(items):
        for item in items:
            item.user_properties.append(("pipeline.id", "7"))

    def pytest_runtest_logreport(report):
        if report.when == "teardown":
            names = ("pipeline.id", "pipeline.verdict")
            with open("properties.txt", "a") as file:
                print(*[value for name, value in report.user_properties if name in names], file=file)
"""


def test_a_project_s_own_properties_stay_in_junit_whatever_they_are_called(run, pytester):
    run(MISSED, "--junitxml=out.xml", "-o", "junit_family=xunit1", conftest=WITH_ID)
    found = ET.parse(pytester.path / "out.xml").getroot().iter("property")
    assert {each.get("name"): each.get("value") for each in found}["pipeline.id"] == "7"


def test_after_a_rerun_our_properties_are_those_of_the_last_attempt(run, pytester):
    source = MISSED.replace('["missed"]', "[SCRIPTS.pop(0)]") + 'SCRIPTS = ["missed", "met"]\n'
    run(source, conftest=RERUN + WITH_ID).assert_outcomes(passed=1)
    assert (pytester.path / "properties.txt").read_text() == "7 missed\n7 met\n"


def test_with_pytest_rerunfailures(pytester, run):
    if find_spec("pytest_rerunfailures") is None:  # imported here, it would warn there
        pytest.skip("pytest-rerunfailures is not installed here")
    result = run(MISSED, "-p", "pytest_rerunfailures", "--reruns=1")
    assert result.parseoutcomes() == {"failed": 1, "rerun": 1}
    result.stdout.fnmatch_lines(["*::test_gate (attempt 2) *missed*", "*1 gate: 0 met, 1 missed*"])


@pytest.mark.parametrize("option", ["--collect-only", "--setup-plan", "--setup-only", "--fixtures"])
def test_modes_that_run_nothing(run, option):
    result = run(MISSED, option)
    assert result.ret == 0
    result.stdout.no_fnmatch_line("*gate:*")


def test_without_terminal_and_without_cache(run, pytester):
    result = run(MISSED, "-p", "no:cacheprovider", "-s")
    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*report.html*")
    pytester.makepyfile(test_it=MISSED)
    silent = pytester.runpytest_subprocess("-p", "pytest_pipeline.plugin", "-p", "no:terminal")
    assert silent.ret == 1
    assert "INTERNALERROR" not in silent.stdout.str() + silent.stderr.str()
