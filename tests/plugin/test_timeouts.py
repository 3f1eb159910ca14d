"""With pytest-timeout a measurement ends before its test's timer does, and says what it gave up."""

from __future__ import annotations

import json
import os
import sys

import pytest
import waits_pipe

pytest.importorskip("pytest_timeout")

SOURCE = """
import conftest
import pytest

@pytest.mark.timeout({timeout})
@pytest.mark.speedup(min=2.0)
def test_gate(pipeline):
    pipeline.run(["{script}"], [])
    assert {check}
"""
BUDGET = "conftest.CALLS[-1].get('budget_s')"
PLUGINS = ("-p", "pytest_timeout")


@pytest.mark.parametrize(
    ("timeout", "check"),
    [
        ("1000", f"{BUDGET} is None"),
        ("60", f"8.5 < {BUDGET} <= 60 * 0.6 / 4"),
        ("timeout=60", f"8.5 < {BUDGET} <= 60 * 0.6 / 4"),
        ("60, method='thread'", f"8.5 < {BUDGET} <= 60 * 0.6 / 4"),
        ("0", f"{BUDGET} is None"),
    ],
)
def test_the_budget_with_its_extensions_stays_within_the_share(run, timeout, check):
    run(SOURCE.format(timeout=timeout, script="met", check=check), *PLUGINS).assert_outcomes(
        passed=1
    )


@pytest.mark.parametrize("where", ["--timeout=60", "ini", "environment"])
def test_a_timeout_of_the_whole_session_counts_too(run, pytester, monkeypatch, where):
    source = SOURCE.replace("@pytest.mark.timeout({timeout})", "").format(
        script="met", check=f"8.5 < {BUDGET} <= 9"
    )
    options = [where] if where.startswith("-") else []
    if where == "ini":
        pytester.makeini("[pytest]\ntimeout = 60")
    if where == "environment":
        monkeypatch.setenv("PYTEST_TIMEOUT", "60")
    run(source, *PLUGINS, *options).assert_outcomes(passed=1)


def test_a_smaller_budget_is_left_as_it_is(run):
    source = SOURCE.format(timeout="60", script="met", check=f"{BUDGET} == 2.0")
    run(source, *PLUGINS, "--pipeline-budget=2s").assert_outcomes(passed=1)


def test_a_second_measurement_gets_what_the_first_left(run):
    source = """
        import conftest
        import pytest
        from pytest_pipeline.plugin.state import state_of

        @pytest.mark.timeout(60)
        def test_gate(pipeline, request):
            pipeline.run(["met"], [])
            state_of(request.node).began_s -= 20  # so much later is it
            pipeline.run(["met"], [])
            first, second = (each["budget_s"] for each in conftest.CALLS[-2:])
            assert 0 < second <= first - 20 / 4
        """
    run(source, *PLUGINS).assert_outcomes(passed=1)


@pytest.mark.parametrize("marker", ["error_rate(max='1%')", "peak_memory(max='1GB')"])
def test_a_gate_that_needs_executions_of_its_own_gets_its_share_of_the_timeout(run, marker):
    source = SOURCE.format(timeout="60", script="met", check=f"4 < {BUDGET} <= 4.5")
    source = source.replace("def test_gate", f"@pytest.mark.{marker}\ndef test_gate")
    run(source, *PLUGINS).assert_outcomes(passed=1)


def test_an_undecided_gate_says_that_the_timeout_cut_its_budget(run, pytester):
    source = SOURCE.format(timeout="60", script="near", check="True")
    run(source, *PLUGINS, "--pipeline-json=out.json").assert_outcomes(skipped=1)
    finding = json.loads((pytester.path / "out.json").read_text())["tests"][0]["runs"][0][
        "findings"
    ][0]
    assert "the budget was cut from 30 s to " in finding["evidence"][-1]
    assert "within 0.6 of this test's timeout of 60 s: raise the timeout" in finding["evidence"][-1]


def test_without_the_plugin_its_marker_cuts_nothing(run):
    source = SOURCE.format(timeout="1", script="met", check=f"{BUDGET} is None")
    run(source, "-p", "no:timeout").assert_outcomes(passed=1)


TELLS = """
import pytest
from waits_pipe import tell_who_waits

tell_who_waits()

def say(what):
    with open("said", "a") as said:
        print(what, file=said)

@pytest.hookimpl(tryfirst=True)
def pytest_timeout_set_timer(item):
    say(f"timer of {item.name}")
"""
LONG = """
import os
from conftest import say
from waits_pipe import until_somebody_waits

def test_long():
    os.close(os.open("inside.fifo", os.O_WRONLY))  # waits until the other file's test has come
    until_somebody_waits()
    say("end of test_long")
"""
MEASURING = """
import os
import pytest

def test_meets_the_long_one():
    os.close(os.open("inside.fifo", os.O_RDONLY))

@pytest.mark.timeout(60)
def test_measuring(pipeline):
    pass
"""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_waiting_to_be_alone_does_not_count_against_the_timeout(pytester):
    pytester.makeconftest(TELLS)
    pytester.makepyfile(test_long=LONG, test_measuring=MEASURING)
    for name in ("inside.fifo", waits_pipe.NAME):
        os.mkfifo(pytester.path / name)
    plugins = ("-p", "pytest_pipeline.plugin", "-p", "xdist.plugin", *PLUGINS)
    options = ("-n2", "--dist=loadfile")
    result = pytester.run(sys.executable, "-m", "pytest", *plugins, *options, timeout=60)
    result.assert_outcomes(passed=3)
    said = (pytester.path / "said").read_text().splitlines()
    assert said == ["end of test_long", "timer of test_measuring"]


def test_a_grouped_test_keeps_its_name_in_the_document(pytester):
    pytester.makeconftest("from scripted import pytest_configure")
    pytester.makepyfile(
        test_it="""
            import pytest

            @pytest.mark.xdist_group("db")
            @pytest.mark.parametrize("script", ["met", "missed"])
            @pytest.mark.speedup(min=2.0)
            def test_gate(pipeline, script):
                pipeline.run([script], [])
            """
    )
    plugins = ("-p", "pytest_pipeline.plugin", "-p", "xdist.plugin")
    options = ("-n2", "--dist=loadgroup", "--pipeline-json=out.json", "--pipeline-report=o.html")
    result = pytester.run(sys.executable, "-m", "pytest", *plugins, *options, timeout=60)
    result.assert_outcomes(passed=1, failed=1)
    tests = json.loads((pytester.path / "out.json").read_text())["tests"]
    assert [each["nodeid"] for each in tests] == [
        "test_it.py::test_gate[met]",
        "test_it.py::test_gate[missed]",
    ]
    from pytest_pipeline.report.text import anchor

    result.stdout.fnmatch_lines([f"*o.html#{anchor('test_it.py::test_gate[missed]')}"])


@pytest.mark.parametrize("study", ["sweep", "tune"])
def test_a_study_stays_within_the_timeout_too_and_says_so(run, study):
    source = f"""
        import pytest

        @pytest.mark.timeout(60)
        def test_study(pipeline, monkeypatch):
            import pytest_pipeline.sweeping, pytest_pipeline.tuning
            from pytest_pipeline.plugin.declaring.problems import PipelineWarning
            budgets = []

            def {study}(*_, budget_s, **options):
                budgets.append(budget_s)
                raise ZeroDivisionError

            monkeypatch.setattr("pytest_pipeline.{"sweeping" if study == "sweep" else "tuning"}.{study}", {study})
            with pytest.raises(ZeroDivisionError), pytest.warns(PipelineWarning, match="cut from 60 s to 3"):
                pipeline.{study}([len], ["a"])
            with pytest.raises(ZeroDivisionError):
                pipeline.{study}([len], ["a"], budget="2s")
            assert 30 < budgets[0] <= 36
            assert budgets[1] == 2
        """
    run(source, *PLUGINS).assert_outcomes(passed=1)
