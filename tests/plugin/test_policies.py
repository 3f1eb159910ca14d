"""The options that change what an undecided gate does."""

from __future__ import annotations

import pytest

ONE = """
import pytest

@pytest.mark.speedup(min=2.0)
def test_gate(pipeline):
    pipeline.run(["{script}"], [])
"""

FIVE = """
import pytest

@pytest.mark.speedup(min=2.0)
@pytest.mark.parametrize("script", ["met", "met", "met", "near", "unavailable"])
def test_gate(pipeline, script):
    pipeline.run([script], [])
"""


@pytest.mark.parametrize(
    ("policy", "outcome"), [("skip", "skipped"), ("fail", "failed"), ("pass", "passed")]
)
@pytest.mark.parametrize("source", ["command line", "ini"])
def test_an_inconclusive_gate_follows_the_policy(run, pytester, policy, outcome, source):
    options = [f"--pipeline-inconclusive={policy}"]
    if source == "ini":
        pytester.makeini(f"[pytest]\npipeline_inconclusive = {policy}")
        options = []
    result = run(ONE.format(script="near"), *options)
    result.assert_outcomes(**{outcome: 1})
    result.stdout.fnmatch_lines(["*1 gate: 0 met, 0 missed, 1 inconclusive (0 of 1 decided)*"])


def test_a_required_executor_that_cannot_run_fails(run):
    result = run(ONE.format(script="unavailable"), "--pipeline-require=threads,cuda")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["FAILED *::test_gate - threads cannot run here: no CUDA device"])


def test_a_required_executor_without_a_gate_fails_too(run):
    source = """
        import pytest

        @pytest.mark.executors("cuda")
        def test_study(pipeline):
            pipeline.run(["unavailable"], [])
        """
    run(source).assert_outcomes(passed=1)
    result = run(source, "--pipeline-require=cuda")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["FAILED*executor 'cuda' cannot run here: no CUDA device*"])


@pytest.mark.parametrize(("share", "code"), [("0.6", 0), ("60%", 0), ("0.7", 1), ("1", 1)])
def test_min_decided_fails_a_session_that_decided_too_little(run, share, code):
    result = run(FIVE, f"--pipeline-min-decided={share}")
    assert result.ret == code
    if code:
        result.stdout.fnmatch_lines(["pipeline: only 3 of 5 gates decided, *min-decided*fails"])


def test_min_decided_does_not_count_the_gates_that_the_user_left_out(run):
    source = """
        import pytest

        @pytest.mark.speedup(min=2, executor="threads")
        @pytest.mark.speedup(min=2, executor="processes")
        def test_gates(pipeline):
            pipeline.run(["met"], [], executors=["threads", "processes"])
        """
    result = run(source, "--pipeline-executors=threads", "--pipeline-min-decided=0.9")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*2 gates: 1 met, *, 1 not run (1 of 1 decided)"])


def test_min_decided_is_reached_by_exactly_that_share(run):
    source = """
        import pytest

        @pytest.mark.speedup(min=2)
        @pytest.mark.parametrize("number", range(100))
        def test_gate(pipeline, number):
            pipeline.run(["met" if number < 55 else "near"], [])
        """
    assert run(source, "--pipeline-min-decided=0.55", "--pipeline-report=off").ret == 0
    assert run(source, "--pipeline-min-decided=0.56", "--pipeline-report=off").ret == 1


def test_switched_off_runs_everything_and_gates_nothing(run):
    result = run(ONE.format(script="missed"), "--pipeline-off", "--pipeline-min-decided=1")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*1 not run*"])
    assert result.ret == 0


def test_switched_off_skips_where_a_test_reads_an_estimate(run):
    result = run(
        """
        def test_reads_an_estimate(pipeline):
            result = pipeline.run(["met"], [])
            assert result.outputs == ["out"]
            assert result["threads"].workers == 2
            assert result["threads"].speedup.value > 2
        """,
        "--pipeline-off",
    )
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(
        ["SKIPPED*test_it.py:5: speedup was not measured: *(--pipeline-off)"]
    )


def test_a_study_that_cannot_run_here_is_no_undecided_gate(run):
    source = """
        import pytest

        @pytest.mark.executors("cuda")
        def test_study(pipeline):
            pipeline.run(["unavailable"], [])

        @pytest.mark.executors("threads")
        @pytest.mark.speedup(min=2.0)
        def test_gate(pipeline):
            pipeline.run(["met"], [])
        """
    result = run(source, "--pipeline-min-decided=1")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["pipeline: 1 gate: 1 met, 0 missed, 0 inconclusive (1 of 1*"])
