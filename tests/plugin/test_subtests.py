"""Subtests (pytest 9): a failed one fails its test whatever the gate says; the result is sent once, with the test."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.skipif(pytest.version_tuple < (9, 0), reason="subtests came with pytest 9")

SOURCE = """
import pytest

@pytest.mark.speedup(min=2.0)
def test_gate(pipeline, subtests):
    pipeline.run(["met"], [])
    for number in (1, 2):
        with subtests.test(number=number):
            assert number == {number}

def test_other(): pass
"""
ONE_FAILS = SOURCE.format(number=1)
ALL_PASS = SOURCE.format(number="number")


def test_a_met_gate_with_a_failed_subtest_has_failed_and_runs_again_with_last_failed(run):
    first = run(ONE_FAILS, "-v")
    assert first.ret == pytest.ExitCode.TESTS_FAILED
    first.stdout.no_fnmatch_line("*::test_gate PASSED*")
    first.stdout.fnmatch_lines(["*::test_gate FAILED*"])
    run(ONE_FAILS, "--lf").stdout.fnmatch_lines(["*rerun previous 1 failure*"])


def test_with_passing_subtests_the_speedup_stands_beside_passed(run):
    run(ALL_PASS, "-v").stdout.fnmatch_lines(["*::test_gate PASSED 2.61x*"])


def test_the_result_is_sent_once_and_says_which_subtest_failed(run, pytester):
    run(
        ONE_FAILS,
        "--pipeline-json=out.json",
        conftest="""
        def pytest_runtest_logreport(report):
            if hasattr(report, "pipeline_result"):
                with open("sent.txt", "a") as file:
                    print(type(report).__name__, file=file)
        """,
    )
    assert (pytester.path / "sent.txt").read_text() == "TestReport\n"
    (test,) = json.loads((pytester.path / "out.json").read_text())["tests"]
    assert "assert 2 == 1" in test["error"]
    assert [each["verdict"] for each in test["runs"][0]["findings"]] == ["met"]


def test_subtests_of_a_unittest_class_are_counted_once_as_well(run):
    result = run("""
        import unittest
        import pytest

        class TestSuite(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def take(self, pipeline):
                self.pipeline = pipeline

            @pytest.mark.speedup(min=2.0)
            def test_gate(self):
                self.pipeline.run(["met"], [])
                for number in (1, 2):
                    with self.subTest(number=number):
                        self.assertEqual(number, number)
        """)
    result.stdout.fnmatch_lines(["pipeline: 1 gate: 1 met*"])
