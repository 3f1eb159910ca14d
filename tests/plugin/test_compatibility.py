"""One project, the same outcomes and the same document, whatever it is run with.

Plugins that are not installed are skipped by name: `nox` runs this file with all of them.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from importlib.metadata import entry_points

import pytest

PROJECT = {
    "conftest": "from scripted import pytest_configure",
    "test_functions": """
        import pytest

        def test_ordinary():
            pass

        @pytest.mark.speedup(min=2.0)
        def test_met(pipeline):
            pipeline.run(["met"], [])

        @pytest.mark.speedup(min=2.0)
        def test_missed(pipeline):
            pipeline.run(["missed"], [])

        @pytest.mark.speedup(min=2.0)
        def test_near(parallel_pipeline):
            parallel_pipeline.run(["near"], [])

        @pytest.mark.xfail(raises=AssertionError)
        @pytest.mark.speedup(min=2.0)
        def test_expected(pipeline):
            pipeline.run(["missed"], [])

        @pytest.mark.speedup(min=2.0)
        @pytest.mark.parametrize(
            "script",
            ["met", pytest.param("missed", marks=pytest.mark.skip), pytest.param("met", id="p", marks=pytest.mark.p99_latency(max="90ms"))],
        )
        def test_parametrized(pipeline, script):
            pipeline.run([script], [])
        """,
    "test_levels": """
        import unittest
        import pytest

        pytestmark = pytest.mark.executors("processes")

        @pytest.mark.speedup(min=2.0)
        class TestMarked:
            def test_met(self, pipeline):
                result = pipeline.run(["met"], [])
                assert list(result.arms) == ["serial", "processes"]

            @pytest.mark.speedup(min=3.0)
            def test_nearest(self, pipeline):
                pipeline.run(["missed"], [])

        class TestCase(unittest.TestCase):
            def test_ordinary(self):
                self.assertEqual(1, 1)
        """,
    "documented": '''
        def double(number):
            """Double it.

            >>> double(2)
            4
            """
            return number * 2
        ''',
}
OUTCOMES = {
    "test_functions.py::test_met": "met",
    "test_functions.py::test_missed": "missed",
    "test_functions.py::test_near": "inconclusive",
    "test_functions.py::test_expected": "missed",
    "test_functions.py::test_parametrized[met]": "met",
    "test_functions.py::test_parametrized[p]": "met",
    "test_levels.py::TestMarked::test_met": "met",
    "test_levels.py::TestMarked::test_nearest": "missed",
}
COUNTS = {"passed": 6, "failed": 2, "skipped": 2, "xfailed": 1}
ASYNC = """
import pytest

@pytest.mark.{mark}
@pytest.mark.speedup(min=2.0)
async def test_async(pipeline{fixtures}):
    pipeline.run(["{script}"], [])
"""
TRIO_FREE = "\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n"
XDIST = "xdist"

CASES = {
    "bare": ((), ()),
    "n0": ((XDIST,), ("-n0",)),
    "n2": ((XDIST,), ("-n2",)),
    "randomly": (("randomly",), ()),
    "randomly n2": ((XDIST, "randomly"), ("-n2",)),
    "timeout signal": (("timeout",), ("--timeout=60", "--timeout-method=signal")),
    "timeout thread": (("timeout",), ("--timeout=60", "--timeout-method=thread")),
    "timeout n2": ((XDIST, "timeout"), ("-n2", "--timeout=60")),
    "cov": (("pytest_cov",), ("--cov=.", "--cov-report=")),
    "cov n2": ((XDIST, "pytest_cov"), ("-n2", "--cov=.", "--cov-report=")),
    "asyncio": (("asyncio",), ()),
    "anyio": (("anyio",), ()),
    "html": (("metadata", "html"), ("--html=page.html",)),
    "html n2": (
        (XDIST, "metadata", "html"),
        ("-n2", "--html=page.html"),
    ),
    "benchmark": (("benchmark",), ()),
    "run-parallel": (("run-parallel",), ("--parallel-threads=2",)),
    "importlib": ((), ("--import-mode=importlib",)),
    "importlib n2": ((XDIST,), ("-n2", "--import-mode=importlib")),
    "warnings are errors": ((), ("-W", "error")),
    "warnings are errors n2": ((XDIST,), ("-n2", "-W", "error")),
    "no cache": ((), ("-p", "no:cacheprovider")),
    "doctest": ((), ("--doctest-modules",)),
    "strict": ((), ("--strict-markers", "--strict-config")),
    "lock machine": ((), ("--pipeline-lock=machine",)),
}


INSTALLED = {point.name for point in entry_points(group="pytest11")}


@pytest.fixture
def start(pytester):
    """Run the project with `plugins` by the `pytest` command, so without the folder on `sys.path`."""

    def start(plugins=(), options=(), **more):
        for plugin in plugins:
            if plugin not in INSTALLED:
                pytest.skip(f"the plugin {plugin} is not installed here")
        for name, source in {**PROJECT, **more}.items():
            pytester.makepyfile(**{name: source})
        chosen = [word for each in ("pytest_pipeline.plugin", *plugins) for word in ("-p", each)]
        command = [sys.executable, "-P", "-m", "pytest", *chosen, "--pipeline-json=out.json"]
        return pytester.run(*command, *options, timeout=120)

    return start


def document(pytester):
    return json.loads((pytester.path / "out.json").read_text())


def outcomes(pytester):
    return {each["nodeid"]: each["outcome"] for each in document(pytester)["tests"]}


def _priced(case):
    """Mark what costs three processes, so that the corners of the matrix can leave it to `make test`."""
    is_costly = "-n2" in CASES[case][1] and case != "n2"
    return pytest.param(case, marks=pytest.mark.slow) if is_costly else case


@pytest.mark.parametrize("case", [_priced(case) for case in CASES])
def test_the_same_outcomes_and_the_same_document(start, pytester, case):
    plugins, options = CASES[case]
    result = start(plugins, options)
    doctests = 1 if case == "doctest" else 0
    result.assert_outcomes(**{**COUNTS, "passed": COUNTS["passed"] + doctests})
    result.stdout.no_fnmatch_line("*INTERNALERROR*")
    assert outcomes(pytester) == OUTCOMES
    result.stdout.fnmatch_lines(
        [
            "pipeline: * gates: 5 met, 3 missed, 1 inconclusive*",
            "FAILED *::test_missed - speedup 1.42x < 2.00x (threads)",
        ]
    )


@pytest.mark.parametrize("options", [(), ("-n2",)])
def test_reruns_are_attempts_and_only_the_last_one_counts(start, pytester, options):
    plugins = (XDIST, "rerunfailures")
    result = start(plugins, ("--reruns=1", *options))
    assert result.parseoutcomes() == {**COUNTS, "rerun": 2}
    attempts = Counter(each["nodeid"] for each in document(pytester)["tests"])
    assert attempts["test_functions.py::test_missed"] == 2
    assert attempts["test_functions.py::test_met"] == 1
    result.stdout.fnmatch_lines(
        ["*test_missed (attempt 2)*", "pipeline: * gates: 5 met, 3 missed, 1 inconclusive*"]
    )


@pytest.mark.parametrize(
    ("plugin", "mark", "more"),
    [("asyncio", "asyncio", ""), ("anyio", "anyio", TRIO_FREE)],
)
def test_async_tests_are_gated(start, pytester, plugin, mark, more):
    fixtures = ", anyio_backend" if more else ""
    made = {
        f"test_{script}": ASYNC.format(mark=mark, fixtures=fixtures, script=script) + more
        for script in ("met", "missed")
    }
    start((plugin,), (), **made)
    found = outcomes(pytester)
    assert found["test_met.py::test_async"] == "met"
    assert found["test_missed.py::test_async"] == "missed"


def test_a_benchmark_beside_us_measures_too(start, pytester):
    source = "def test_benchmark(benchmark):\n    benchmark(lambda: None)\n"
    result = start(("benchmark",), (), test_benchmark=source)
    result.assert_outcomes(**{**COUNTS, "passed": COUNTS["passed"] + 1})
    assert outcomes(pytester) == OUTCOMES


def test_a_measuring_test_is_not_run_in_parallel_threads(start, pytester):
    source = """
        import threading

        calls = []

        def test_ordinary_in_parallel():
            calls.append(threading.current_thread().name)

        def test_calls():
            assert len(calls) == 4

        def test_alone(serial_executor):
            calls.append("alone")

        def test_alone_once():
            assert calls.count("alone") == 1
        """
    options = ("--parallel-threads=4", "-v", "test_threads.py")
    result = start(("run-parallel",), options, test_threads=source)
    result.assert_outcomes(passed=4)


def test_coverage_is_stopped_while_measuring_and_goes_on_afterwards(start, pytester):
    """A real comparison: with tracing on, no gate would be decided."""
    source = """
        import time
        def wait(item):
            time.sleep(0.002)
            return item
        def test_real(pipeline):
            result = pipeline.run([wait], list(range(20)))
            assert not any("traced" in each for each in result.warnings)
            assert "coverage" in str(result.environment.instruments)
        """
    for name in ("test_functions", "test_levels", "conftest"):
        pytester.makepyfile(**{name: ""})
    options = ("--cov=.", "--cov-report=term", "test_real.py", "--pipeline-budget=4s")
    result = start(("pytest_cov",), options, test_real=source, conftest="")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["test_real.py *100%*"])


@pytest.mark.parametrize(("plugins", "options"), [((), ()), ((XDIST,), ("-n2",))])
def test_without_a_terminal_the_verdicts_stand(start, pytester, plugins, options):
    result = start(plugins, ("-p", "no:terminal", *options))
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert outcomes(pytester) == OUTCOMES


@pytest.mark.parametrize("option", ["--collect-only", "--setup-plan", "--fixtures-per-test"])
@pytest.mark.parametrize("plugins", [(), (XDIST,)])
def test_nothing_is_measured_where_nothing_runs(start, pytester, option, plugins):
    result = start(plugins, (option, *(("-n2",) if plugins and option == "--setup-plan" else ())))
    result.stdout.no_fnmatch_line("*INTERNALERROR*")
    assert not [each for each in result.outlines if "measured nothing" in each]
    assert not (pytester.path / "out.json").exists()


def test_a_read_only_folder_does_not_change_a_verdict(start, pytester, monkeypatch):
    """Root may write anywhere, so a plain file stands where the folders should be made."""
    (pytester.path / ".pytest_cache").write_text("in the way")
    (pytester.path / "out.json").mkdir()
    result = start((), ())
    result.assert_outcomes(**COUNTS)
    result.stdout.fnmatch_lines(["pipeline: could not write out.json*"])
