"""What each verdict does to its test."""

from __future__ import annotations

import pytest

SUITE = """
import pytest

@pytest.mark.speedup(min=2.0)
@pytest.mark.parametrize("script", ["met", "missed", "near", "unavailable", "differs"])
def test_gate(pipeline, script):
    pipeline.run([script], [])
"""

ONE = """
import pytest

@pytest.mark.speedup(min=2.0)
def test_gate(pipeline):
    pipeline.run(["{script}"], [])
"""


def test_every_verdict_has_its_outcome_and_says_so_in_the_short_summary(run_anywhere):
    result = run_anywhere(SUITE)
    result.assert_outcomes(passed=1, failed=2, skipped=2)
    result.stdout.fnmatch_lines_random(
        [
            "FAILED test_it.py::test_gate?missed? - speedup 1.42x < 2.00x (threads)",
            "FAILED test_it.py::test_gate?differs? - outputs differ (threads): item 3: expected 4, found 5",
            "SKIPPED*test_it.py:3: inconclusive: speedup 1.98x < 2.00x (threads): near-limit",
            "SKIPPED*test_it.py:3: unavailable: threads cannot run here: no CUDA device",
            "*5 gates: 1 met, 1 missed, 1 inconclusive*(3 of 5 decided)",
        ]
    )
    result.stdout.no_fnmatch_line("*ERROR*")


def test_a_missed_gate_prints_cause_and_next_step_and_no_traceback(run):
    result = run(ONE.format(script="missed"))
    result.stdout.fnmatch_lines(
        [
            "speedup 1.42x < 2.00x (threads)",
            "  bottleneck: stage 'decode', 1 worker, busy 97 % of the makespan",
            "  next: Stage(decode, workers=2) is predicted to reach 2.3x",
            "  report: .pytest_cache/d/pipeline/report.html#t-*",
            "test_it.py:3: PipelineRegression",
        ]
    )
    result.stdout.no_fnmatch_line("*verdict.py*")


def test_all_missed_gates_stand_in_the_first_line(run):
    result = run("""
        import pytest

        @pytest.mark.speedup(min=2.0)
        @pytest.mark.p99_latency(max="5ms")
        def test_gate(pipeline):
            pipeline.run(["missed"], [])
        """)
    result.stdout.fnmatch_lines(
        ["FAILED *::test_gate - speedup 1.42x < 2.00x (threads); p99 30 ms > 5 ms (threads)"]
    )


def test_wrong_outputs_outrank_a_missed_speedup(run):
    result = run("""
        import pytest

        @pytest.mark.speedup(min=2.0)
        def test_gate(pipeline):
            pipeline.run(["missed"], [])
            pipeline.run(["differs"], [])
        """)
    result.stdout.fnmatch_lines(["FAILED *::test_gate - outputs differ*; speedup 1.42x < 2.00x*"])


@pytest.mark.parametrize(
    ("scripts", "outcome", "line"),
    [
        (["met", "near"], "skipped", "SKIPPED*: inconclusive: speedup 1.98x*"),
        (["near", "unavailable"], "skipped", "SKIPPED*: inconclusive: speedup 1.98x*"),
        (["met", "unavailable"], "skipped", "SKIPPED*: unavailable: threads cannot run here*"),
        (["near", "missed"], "failed", "FAILED *::test_gate - speedup 1.42x*"),
        (["unavailable", "missed"], "failed", "FAILED *::test_gate - speedup 1.42x*"),
        (["met", "met"], "passed", "PASSED *::test_gate"),
    ],
)
def test_the_most_urgent_finding_decides(run, scripts, outcome, line):
    result = run(f"""
        import pytest

        @pytest.mark.speedup(min=2.0)
        def test_gate(pipeline):
            for script in {scripts}:
                pipeline.run([script], [])
        """)
    result.assert_outcomes(**{outcome: 1})
    result.stdout.fnmatch_lines([line])


def test_asserts_in_the_body_keep_their_own_message(run):
    result = run("""
        import pytest

        @pytest.mark.speedup(min=2.0)
        def test_gate(pipeline):
            result = pipeline.run(["missed"], [])
            assert result.outputs == ["other"]
        """)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["FAILED *::test_gate - *AssertionError*assert*'out'*"])


def test_a_skip_in_the_body_stays_a_skip(run):
    result = run("""
        import pytest

        @pytest.mark.speedup(min=2.0)
        def test_gate(pipeline):
            pipeline.run(["missed"], [])
            pytest.skip("not today")
        """)
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*test_it.py:6: not today"])


@pytest.mark.parametrize("has_fixture", [True, False])
def test_a_marked_test_that_measures_nothing_fails(run, has_fixture):
    result = run(f"""
        import pytest

        @pytest.mark.speedup(min=2.0)
        @pytest.mark.p99_latency(max="5ms")
        def test_gate({"pipeline" if has_fixture else ""}):
            pass
        """)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "FAILED *::test_gate - has @pytest.mark.* and @pytest.mark.* but measured nothing*pipeline.run*"
        ]
    )


def test_gates_false_opts_out_but_not_of_everything(run):
    result = run("""
        import pytest

        @pytest.mark.speedup(min=2.0)
        def test_one_of_two(pipeline):
            pipeline.run(["missed"], [], gates=False)
            pipeline.run(["met"], [])

        @pytest.mark.speedup(min=2.0)
        def test_none(pipeline):
            pipeline.run(["met"], [], gates=False)

        def test_no_marker(pipeline):
            pipeline.run(["missed"], [])
        """)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["FAILED *::test_none - *every pipeline.run passed gates=False"])


def test_wrong_outputs_fail_without_any_marker(run):
    result = run("""
        def test_no_marker(pipeline):
            pipeline.run(["differs"], [])
        """)
    result.assert_outcomes(failed=1)


def test_a_failure_expected_with_pytest_raises_does_not_fail_the_test_again(run_both):
    result = run_both("""
        import pytest
        from pytest_pipeline import PipelineRegression

        @pytest.mark.speedup(min=2.0)
        def test_expected(pipeline):
            result = pipeline.run(["missed"], [])
            with pytest.raises(PipelineRegression, match="1.42x"):
                result.assert_met()

        @pytest.mark.speedup(min=2.0)
        def test_expected_once_but_missed_twice(pipeline):
            first = pipeline.run(["missed"], [])
            pipeline.run(["missed"], [])
            with pytest.raises(PipelineRegression):
                first.assert_met()
        """)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["FAILED *::test_expected_once_but_missed_twice - speedup*"])


def test_assert_met_fails_at_the_line_that_called_it(run):
    result = run("""
        import pytest

        @pytest.mark.speedup(min=2.0)
        def test_gate(pipeline):
            result = pipeline.run(["missed"], [])
            result.assert_met()
            raise RuntimeError("not reached")
        """)
    result.stdout.fnmatch_lines(
        [
            "test_it.py:6: PipelineRegression",
            "FAILED *::test_gate - speedup 1.42x < 2.00x (threads)",
        ]
    )


def test_measuring_in_a_fixture_counts_for_the_test(run):
    result = run("""
        import pytest

        @pytest.fixture
        def compared(pipeline):
            return pipeline.run(["missed"], [])

        @pytest.mark.speedup(min=2.0)
        def test_gate(compared):
            assert compared.outputs == ["out"]
        """)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["FAILED *::test_gate - speedup 1.42x < 2.00x (threads)"])


def test_an_error_inside_the_comparison_fails_at_the_users_line(run):
    result = run("""
        def test_gate(pipeline):
            pipeline.run(["raises"], [])
        """)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*test_it.py:2: UsageError", "FAILED*no stages*"])
    result.stdout.no_fnmatch_line("*fixtures.py*")


def test_the_traceback_of_a_stage_that_raises_shows_the_users_frames_only(run):
    result = run("""
        def boom(item):
            raise ValueError(f"cannot parse {item}")

        def test_gate(threads_executor):
            threads_executor.run([boom], [7])
        """)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["test_it.py:5:*", "*raise ValueError*", "E*ValueError: cannot parse 7"]
    )
    result.stdout.no_fnmatch_line("*pytest_pipeline/*")


def test_an_expected_error_of_a_stage_does_not_fail_the_test_again(run):
    result = run("""
        import pytest

        def test_expected(pipeline):
            with pytest.raises(ValueError, match="cannot parse"):
                pipeline.run(["differs stage"], [])

        def test_unexpected(pipeline):
            pipeline.run(["differs stage"], [])
        """)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["FAILED *::test_unexpected - ValueError: cannot parse item 3"])
