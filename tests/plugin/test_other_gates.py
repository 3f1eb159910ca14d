"""Throughput, first result, efficiency and overlap through pytest: what a user reads when each fails."""

from __future__ import annotations

import json

import pytest
from virtual_suite import run_nested

TEST = """
@pytest.mark.{marker}
def test_gate(pipeline, stage):
    pipeline.run([stage("fetch", .001), stage("parse", .002{options}), stage("store", .001)], list(range(40)))
"""

PASSING = [
    "throughput(min=400)",
    "throughput(min=200, executor='serial')",
    "first_result(max='6ms')",
    "first_result(max=0.006, executor='serial')",
    "efficiency(min='60%')",
    "overlap(min=2.0)",
    "overlap(2.4, tolerance='10%', executor='threads')",
]

FAILING = {
    "throughput(min=700)": (
        "throughput 488/s < 700/s (threads; 95 % interval 488-488/s, 9 clean rounds)",
        "bottleneck: stage 'parse', 1 worker, *; 700/s is 2.80x what the baseline reaches",
        "next: Stage(parse, workers=2) is predicted to reach 3.*",
        "throughput 488/s",
    ),
    "throughput(min=400, executor='serial')": (
        "throughput 250/s < 400/s (serial; 95 % interval 250-250/s, 9 clean rounds)",
        "PipelineRegression",
        "PipelineRegression",
        "serial*throughput 250/s",
    ),
    "first_result(max='2ms')": (
        "first result 4.00 ms > 2.00 ms (threads; 95 % interval 4.00-4.00 ms, 9 clean rounds)",
        "item 0 came out first: 2.00 ms in the service of stage 'parse', *",
        "first result 4.00 ms > 2.00 ms*",
        "first result 4.00 ms",
    ),
    "efficiency(min='95%')": (
        "efficiency 65 % < 95 % (threads; 95 % interval 65-65 %, 9 clean rounds)",
        "bottleneck: stage 'parse', 1 worker, busy 98 % of the makespan; ceiling of this plan 1.95x",
        "next: Stage(parse, workers=2) is predicted to reach 93 %",
        "efficiency 65 %",
    ),
    "overlap(min=2.9)": (
        "overlap 2.46 items < 2.90 items (threads; 95 % interval 2.46-2.46 items, 25 executions)",
        "the others wait for stage 'parse', busy 98 % of the makespan",
        "next: give it another worker: Stage(parse, workers=2)",
        "overlap 2.46 items",
    ),
    "overlap(min=8)": (
        "overlap can never be met (threads): it asks 8.00 items, this plan has 3 worker slots",
        "*FAILED*",
        "*FAILED*",
        "invalid: overlap can never be met (threads): it asks 8.00 items",
    ),
}


@pytest.mark.parametrize("marker", PASSING)
def test_a_gate_that_is_met_passes(pytester, marker):
    run_nested(pytester, TEST.format(marker=marker, options="")).assert_outcomes(passed=1)


@pytest.mark.parametrize("marker", FAILING)
def test_a_gate_that_is_not_met_says_value_limit_cause_and_next_step(pytester, monkeypatch, marker):
    monkeypatch.setenv("COLUMNS", "220")
    result = run_nested(pytester, TEST.format(marker=marker, options=""))
    result.assert_outcomes(failed=1)
    first, cause, step, column = FAILING[marker]
    for line in (f"FAILED*test_gate - {first}", f"*{first}*", f"*{cause}*", f"*{step}*"):
        result.stdout.fnmatch_lines([line.replace("[", "[[]")])
    result.stdout.fnmatch_lines([f"*::test_gate*{column}*"])


def test_workers_that_are_never_used_are_named(pytester, monkeypatch):
    monkeypatch.setenv("COLUMNS", "220")
    source = TEST.format(
        marker="overlap(min=5)\n@pytest.mark.executors('narrow')", options=", workers=4"
    )
    result = run_nested(pytester, source)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*overlap 2.46 items < 5.00 items (narrow; *",
            "*stage 'parse' has 4 workers, at most 1 of its visits were in service at once*",
            "*next: look for what keeps the workers of 'parse' from starting*",
        ]
    )


def test_several_gates_of_one_test_are_answered_together(pytester, monkeypatch):
    monkeypatch.setenv("COLUMNS", "220")
    marks = "throughput(min=700)\n@pytest.mark.overlap(min=2)\n@pytest.mark.first_result(max='2ms')"
    result = run_nested(pytester, TEST.format(marker=marks, options=""))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*::test_gate*throughput 488/s, overlap 2.46 items, first result 4.00 ms*missed*",
            "*3 gates: 1 met, 2 missed, 0 inconclusive (3 of 3 decided)*",
            "FAILED*throughput 488/s < 700/s*; first result 4.00 ms > 2.00 ms*",
        ]
    )


def test_an_efficiency_of_the_baseline_is_refused_with_its_line(pytester):
    result = run_nested(
        pytester, TEST.format(marker="efficiency(min=0.5, executor='serial')", options="")
    )
    result.stdout.fnmatch_lines(
        ["*:3: @pytest.mark.efficiency(executor='serial'): 'serial' is the baseline*"]
    )


def test_every_gate_reaches_json_markdown_and_html(pytester, monkeypatch):
    monkeypatch.setenv("COLUMNS", "220")
    names = ("throughput(min=700)", "first_result('2ms')", "efficiency('60%')", "overlap(2.9)")
    marks = "\n@pytest.mark.".join(names)
    run_nested(
        pytester,
        TEST.format(marker=marks, options=""),
        "--pipeline-json=out.json",
        "--pipeline-markdown=out.md",
        "--pipeline-report=out.html",
    )
    (test,) = json.loads((pytester.path / "out.json").read_text())["tests"]
    findings = test["runs"][0]["findings"]
    assert [(each["quantity"], each["unit"], each["verdict"]) for each in findings] == [
        ("throughput", "1/s", "missed"),
        ("first_result", "s", "missed"),
        ("efficiency", "share", "met"),
        ("overlap", "items", "missed"),
    ]
    markdown = (pytester.path / "out.md").read_text()
    page = (pytester.path / "out.html").read_text()
    for text in ("488/s", "4.00 ms", "65 %", "2.46 items"):
        assert text in markdown
        assert text in page
    for title in ("Throughput", "Time to the first result", "Efficiency (speedup / workers)"):
        assert title in page
