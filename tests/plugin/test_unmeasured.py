"""A body that reads what was not measured: the test says why, not that None has no `value`."""

from __future__ import annotations

import pytest
from virtual_suite import run_nested

READINGS = {
    "by name": 'result["threads"].speedup.value > 2',
    "among all arms": 'result.arms["threads"].speedup.value > 2',
    "from a frame": 'result.to_frame().loc["threads", "speedup"] > 2',
}
DIFFERS = """
import copy
from pytest_pipeline import PipelineRegression

def compared(pipeline, machine):
    def score(item):
        machine.work(.001)
        return item + (item == 7 and machine.running == "threads")
    return pipeline.run([score], list(range(40)))

def test_it(pipeline, machine):
    result = compared(pipeline, machine)
    {body}
"""
WRONG = "FAILED *::test_it - wrong result under threads: output 7 differs: expected 7, got 8*"
ONE = """
import pytest

{marker}
def test_it(pipeline):
    result = pipeline.run(["unavailable"], [])
    {body}
"""
GATE = "@pytest.mark.speedup(min=2.0)"
UNAVAILABLE = "SKIPPED*unavailable: threads cannot run here: no CUDA device"


EXPECTED = "with pytest.raises(PipelineRegression): result.assert_met()"


@pytest.mark.parametrize(
    ("stages", "options", "why"),
    [
        ("unavailable", (), "unavailable: threads cannot run here"),
        ("busy", (), "inconclusive: "),
        ("met", ("--pipeline-off",), "not-run: "),
    ],
)
def test_a_failure_that_is_expected_of_a_gate_that_was_not_decided_is_a_skip(
    run, stages, options, why
):
    source = ONE.format(marker=GATE, body=EXPECTED).replace('["unavailable"]', f'["{stages}"]')
    result = run(f"from pytest_pipeline import PipelineRegression\n{source}", "-rs", *options)
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines([f"SKIPPED*{why}*"])


def test_a_failure_that_is_expected_of_a_gate_that_is_met_still_fails(run):
    source = ONE.format(marker=GATE, body=EXPECTED).replace('["unavailable"]', '["met"]')
    result = run(f"from pytest_pipeline import PipelineRegression\n{source}")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*DID NOT RAISE*"])


@pytest.mark.parametrize("reading", READINGS)
def test_wrong_outputs_are_what_a_test_fails_of_that_reads_an_estimate(
    pytester, monkeypatch, reading
):
    monkeypatch.setenv("COLUMNS", "200")
    result = run_nested(pytester, DIFFERS.format(body=f"assert {READINGS[reading]}"))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([WRONG])
    result.stdout.no_fnmatch_line("*NoneType*")


def test_wrong_outputs_that_a_test_expects_do_not_fail_it_again_nor_does_what_it_reads_then(
    pytester,
):
    expected = "pytest.raises(PipelineRegression, result.assert_met)"
    body = f'{expected}; assert result["threads"].speedup is None'
    run_nested(pytester, DIFFERS.format(body=body)).assert_outcomes(passed=1)


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("options", [(), ("--pipeline-off",)])
def test_a_test_that_catches_whatever_its_reading_raises_hides_no_wrong_output(
    pytester, monkeypatch, reading, options
):
    monkeypatch.setenv("COLUMNS", "200")
    body = f"""for _ in range(2):
        try:
            print({READINGS[reading]})
        except Exception as error:
            print("n/a", type(error).__name__)"""
    result = run_nested(pytester, DIFFERS.format(body=body), *options)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([WRONG])
    assert result.stdout.str().count("n/a PipelineRegression") == 2


@pytest.mark.parametrize(
    "body",
    [
        'assert "speedup=None" in repr(result["threads"])',
        'assert copy.copy(result["threads"]).speedup is None',
        'assert copy.deepcopy(result.arms["threads"]).workers == 1',
        'assert [arm["speedup"] for arm in result.to_dict()["arms"]] == [None, None]',
    ],
)
def test_to_show_or_copy_an_arm_reads_nothing_and_hides_no_wrong_output(
    pytester, monkeypatch, body
):
    monkeypatch.setenv("COLUMNS", "200")
    run_nested(pytester, DIFFERS.format(body=body)).stdout.fnmatch_lines([WRONG])


@pytest.mark.parametrize("marker", [GATE, ""])
@pytest.mark.parametrize(
    "body",
    [
        'assert result["threads"].speedup.value > 2',
        'assert result.arms["threads"].overlap > 2',
        'assert result["threads"].speedup is not None',
        'print("%.3f" % result["threads"].makespan_s)',
    ],
)
def test_an_arm_that_cannot_run_here_skips_the_test_that_reads_it(run, marker, body):
    result = run(ONE.format(marker=marker, body=body))
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines([UNAVAILABLE])


def test_an_arm_that_is_required_fails_the_test_that_reads_it(run):
    source = ONE.format(marker="", body='assert result["threads"].speedup.value > 2')
    result = run(source, "--pipeline-require=threads")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["FAILED*executor 'threads' cannot run here: no CUDA device*"])


def test_a_test_may_ask_whether_a_value_is_there(run):
    body = 'assert result["threads"].speedup is None or result["threads"].speedup.value > 2'
    run(ONE.format(marker="", body=body)).assert_outcomes(passed=1)


@pytest.mark.parametrize("body", ["assert 1 == 2", "[].missing", "assert result.outputs == 0"])
def test_another_error_of_the_body_stays_what_it_is(run, body):
    body = f'result["threads"].speedup\n    {body}'
    run(ONE.format(marker=GATE, body=body)).assert_outcomes(failed=1)


@pytest.mark.parametrize(
    ("marker", "reason"),
    [
        (GATE, "inconclusive: speedup not measured (threads): busy"),
        (
            "",
            "not measured: worker thread hung-0 of an earlier run hung and still runs in this process",
        ),
    ],
)
def test_beside_a_hung_thread_of_an_earlier_test_reading_skips(
    pytester, monkeypatch, marker, reason
):
    monkeypatch.setattr("pytest_pipeline.comparing.hung_workers", lambda: ("hung-0",))
    source = f"""
{marker}
def test_it(pipeline, stage):
    result = pipeline.run([stage("fetch", .001)], list(range(10)))
    assert {READINGS["by name"]}
"""
    result = run_nested(pytester, source)
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines([f"SKIPPED*: {reason}*"])


@pytest.mark.parametrize("reading", READINGS)
def test_switched_off_skips_wherever_an_estimate_is_read(run, reading):
    source = f"""
def test_it(pipeline):
    result = pipeline.run(["met"], [])
    assert result.to_dict()["arms"]
    assert {READINGS[reading]}
"""
    result = run(source, "--pipeline-off")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(
        ["SKIPPED*test_it.py:4: speedup was not measured: *--pipeline-off*"]
    )


@pytest.mark.parametrize("reading", READINGS)
def test_switched_off_wrong_outputs_come_before_the_skip_of_a_test_that_reads(
    pytester, monkeypatch, reading
):
    monkeypatch.setenv("COLUMNS", "200")
    source = DIFFERS.format(body=f"assert {READINGS[reading]}")
    run_nested(pytester, source, "--pipeline-off").stdout.fnmatch_lines([WRONG])
