"""The fixtures: which arms they run, whose they are, and the executors for direct use."""

from __future__ import annotations

import pytest
from virtual_suite import run_nested


def test_threads_are_compared_by_default_and_the_marker_the_call_and_the_option_override_in_turn(
    run,
):
    source = """
        import pytest
        import conftest

        def test_default(pipeline):
            pipeline.run(["met"], [])
            print("default", conftest.CALLS[-1]["executors"])

        @pytest.mark.executors("processes")
        def test_marker(pipeline):
            pipeline.run(["met"], [])
            print("marker", conftest.CALLS[-1]["executors"])

        @pytest.mark.executors("processes")
        def test_call(pipeline):
            pipeline.run(["met"], [], executors=["cuda"])
            print("call", conftest.CALLS[-1]["executors"])
        """
    result = run(source)
    result.stdout.fnmatch_lines(["default None", "marker ('processes',)", "call ('cuda',)"])
    forced = run(source, "--pipeline-executors=serial,threads")
    forced.stdout.fnmatch_lines(
        [f"{name} ('serial', 'threads')" for name in ("default", "marker", "call")]
    )


def test_ini_executors_are_the_weakest(run, pytester):
    pytester.makeini("[pytest]\npipeline_executors = processes, threads\npipeline_budget = 5s")
    result = run("""
        import pytest
        import conftest

        def test_ini(pipeline):
            pipeline.run(["met"], [])
            assert conftest.CALLS[-1]["executors"] == ("processes", "threads")
            assert conftest.CALLS[-1]["budget_s"] == 5.0

        @pytest.mark.executors("cuda")
        @pytest.mark.measure(budget="7s")
        def test_marker(pipeline):
            pipeline.run(["met"], [])
            assert conftest.CALLS[-1]["executors"] == ("cuda",)
            assert conftest.CALLS[-1]["budget_s"] == 7.0
        """)
    result.assert_outcomes(passed=2)


def test_a_gate_that_names_an_arm_nobody_runs_is_an_error_that_names_the_arms(run):
    result = run("""
        import pytest

        @pytest.mark.speedup(min=2, executor="processes")
        def test_gate(pipeline):
            pipeline.run(["met"], [])
        """)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*test_it.py:3: @pytest.mark.speedup(executor='processes'): that arm is not run; arms of this comparison: threads*"
        ]
    )


def test_a_gate_whose_arm_the_command_line_left_out_is_not_run(run):
    result = run(
        """
        import pytest

        @pytest.mark.executors("threads", "processes")
        @pytest.mark.speedup(min=2, executor="processes")
        def test_gate(pipeline):
            pipeline.run(["met"], [])
        """,
        "--pipeline-executors=threads",
    )
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*1 not run*"])


@pytest.mark.parametrize("arm", ["", ", executor='best'"])
def test_a_gate_that_binds_no_arm_is_not_run_when_forced_and_an_error_when_declared(run, arm):
    source = f"""
        import pytest

        @pytest.mark.speedup(min=2{arm})
        def test_gate(pipeline):
            pipeline.run(["missed"], [], executors=["serial"])
        """
    declared = run(source)
    declared.assert_outcomes(failed=1)
    declared.stdout.fnmatch_lines(
        ["*test_it.py:3: *no arm is run beside the baseline 'serial'; arms of this comparison*"]
    )
    forced = run(source, "--pipeline-executors=serial")
    forced.assert_outcomes(passed=1)
    forced.stdout.fnmatch_lines(["*1 not run*"])


@pytest.mark.parametrize("others", ["", '"processes", '])
def test_an_arm_configured_otherwise_than_the_baseline_is_never_left_out_of_a_gate(
    pytester, others
):
    source = f"""
from pytest_pipeline import Threads

@pytest.mark.speedup(min=2)
def test_gate(pipeline):
    arms = [{others}Threads(layout="shared", workers=4)]
    pipeline.run([str], [1, 2], baseline=Threads(layout="shared", workers=1), executors=arms)
"""
    result = run_nested(pytester, source)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*two arms are called 'threads': give one another name, e.g. *"])


def test_the_gated_runs_of_each_test_are_numbered_from_one(run):
    source = """
        import pytest
        import conftest

        @pytest.mark.speedup(min=2)
        @pytest.mark.parametrize("name", ["a", "b"])
        def test_gate(pipeline, name):
            pipeline.run(["met"], [])
            pipeline.run(["met"], [], gates=False)
            pipeline.run(["met"], [])
            assert [each["run_number"] for each in conftest.CALLS[-3:]] == [1, 2, 2]
        """
    run(source).assert_outcomes(passed=2)


def test_the_speedup_of_the_baseline_cannot_be_gated_but_its_latency_can(run):
    result = run("""
        import pytest

        @pytest.mark.speedup(min=2, executor="serial")
        def test_speedup(pipeline):
            pipeline.run(["met"], [])

        @pytest.mark.p99_latency(max="50ms", executor="serial")
        def test_latency(pipeline):
            pipeline.run(["met"], [])
        """)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["*'serial' is the baseline, with which speedup compares the others*"]
    )


def test_executors_of_other_plugins_can_be_named(run):
    result = run(
        """
        import pytest
        import conftest

        @pytest.mark.executors("ours")
        @pytest.mark.speedup(min=2, executor="ours")
        def test_gate(pipeline):
            pipeline.run(["met"], [])
            assert conftest.CALLS[-1]["extra_executors"] == {"ours": conftest.OURS}
        """,
        conftest="""
        OURS = object()
        def pytest_pipeline_executors(config):
            return {"ours": OURS}
        """,
    )
    result.assert_outcomes(passed=1)


def test_other_plugins_hear_every_finding(run):
    result = run(
        """
        import pytest

        @pytest.mark.speedup(min=2)
        def test_gate(pipeline):
            pipeline.run(["met"], [])
        """,
        conftest="""
        def pytest_pipeline_finding(config, finding):
            print("heard", finding.verdict.value, finding.executor)
        """,
    )
    result.stdout.fnmatch_lines(["heard met threads"])


def test_a_project_with_its_own_pipeline_fixture_is_told_about_the_other_name(run):
    result = run("""
        import pytest

        @pytest.fixture
        def pipeline():
            return "our own"

        @pytest.mark.speedup(min=2)
        def test_gate(pipeline):
            assert pipeline == "our own"

        @pytest.mark.speedup(min=2)
        def test_other_name(parallel_pipeline):
            parallel_pipeline.run(["met"], [])
        """)
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(
        [
            "FAILED *::test_gate - has @pytest.mark.speedup but measured nothing: its `pipeline` fixture is*"
        ]
    )
    result.stdout.fnmatch_lines(["has*measured nothing*(test_it.py:3)*`parallel_pipeline`*"])


def test_a_fixture_that_wraps_ours_is_ours(run):
    result = run("""
        import pytest

        @pytest.fixture
        def pipeline(pipeline):
            return pipeline

        @pytest.mark.speedup(min=2)
        def test_gate(pipeline):
            pipeline.run(["met"], [])
        """)
    result.assert_outcomes(passed=1)


def test_setup_teardown_and_all_arguments_reach_the_comparison(run):
    result = run("""
        import conftest

        def test_gate(pipeline):
            pipeline.run(["met"], [], check=None, setup=print, teardown=len, timeout=5.0, baseline="serial")
            call = conftest.CALLS[-1]
            assert (call["check"], call["setup"], call["teardown"], call["timeout"]) == (None, print, len, 5.0)
            assert call["mode"] == "measure" and call["machine"] is None
        """)
    result.assert_outcomes(passed=1)


def test_another_machine_can_be_put_into_the_stash(run):
    result = run(
        """
        import conftest

        def test_gate(pipeline):
            pipeline.run(["met"], [])
            assert conftest.CALLS[-1]["machine"] == "a fake"
        """,
        conftest="""
        from pytest_pipeline.plugin.session import MACHINE

        def pytest_sessionstart(session):
            session.config.stash[MACHINE] = "a fake"
        """,
    )
    result.assert_outcomes(passed=1)


def test_executors_given_as_text_are_refused(run):
    result = run("""
        def test_gate(pipeline):
            pipeline.run(["met"], [], executors="threads")
        """)
    result.stdout.fnmatch_lines(["*UsageError: executors='threads' is a str: expected a list*"])


DIRECT = """
def double(number):
    return number * 2

def test_direct({name}_executor):
    trace = {name}_executor.run([double, double], list(range(20)))
    assert trace.outputs == [4 * number for number in range(20)]
    assert trace.makespan_s > 0
    assert {name}_executor.name == "{name}"
"""


@pytest.mark.parametrize("name", ["serial", "threads", "processes"])
def test_each_executor_runs_stages_directly(pytester, name):
    pytester.makepyfile(test_it=DIRECT.format(name=name))
    result = pytester.runpytest_subprocess("-p", "pytest_pipeline.plugin")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*gates*")


def test_direct_use_has_the_same_bad_input_messages(run):
    result = run("""
        def test_no_stages(threads_executor):
            threads_executor.run([], [1])

        def test_one_shot(threads_executor):
            threads_executor.run([len], iter([1]))
        """)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*no stages*", "*one-shot*"])
    result.stdout.no_fnmatch_line("*fixtures.py*")


@pytest.fixture
def no_cuda(monkeypatch):
    module = pytest.importorskip("pytest_pipeline.executors.cuda")
    monkeypatch.setattr(module.Cuda, "unavailable", lambda self: "no NVIDIA driver")


def test_the_cuda_executor_skips_with_the_cause(run, no_cuda):
    result = run("def test_cuda(cuda_executor): pass")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*executor 'cuda' cannot run here: no NVIDIA driver"])


def test_the_cuda_executor_fails_where_it_is_required(run, no_cuda):
    result = run("def test_cuda(cuda_executor): pass", "--pipeline-require=cuda")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*no NVIDIA driver (and --pipeline-require names it)*"])
