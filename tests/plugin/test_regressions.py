"""Five deliberate regressions, through the real measurement on virtual time: each fails for its own reason."""

from __future__ import annotations

import pytest
from virtual_suite import run_nested

HEALTHY = """
@pytest.mark.speedup(min=3.0)
def test_healthy(pipeline, stage):
    pipeline.run([stage("fetch", .001), stage("parse", .002, workers=2), stage("store", .001)], list(range(40)))
"""

REGRESSIONS = {
    "a lock around a stage": (
        """
@pytest.mark.speedup(min=3.0)
@pytest.mark.executors("locked")
def test_broken(pipeline, stage):
    pipeline.run([stage("fetch", .001), stage("parse", .002, workers=2), stage("store", .001)], list(range(40)))
""",
        [
            "*FAILED*test_broken - speedup 1.95x < 3.00x (locked;*",
            "*bottleneck: stage 'parse', 2 workers*takes 2.0x as long per item as in the baseline*",
            "*next: look for a lock, connection or file that the workers of 'parse' share*",
        ],
    ),
    "one worker instead of two": (
        """
@pytest.mark.speedup(min=3.0)
def test_broken(pipeline, stage):
    pipeline.run([stage("fetch", .001), stage("parse", .002), stage("store", .001)], list(range(40)))
""",
        [
            "*FAILED*test_broken - speedup 1.95x < 3.00x (threads;*",
            "*bottleneck: stage 'parse', 1 worker, busy 98 % of the makespan; ceiling of this plan 1.95x*",
            "*next: Stage(parse, workers=2) is predicted to reach 3.*",
        ],
    ),
    "a stage ten times slower for 5 % of the items": (
        """
@pytest.mark.p99_latency(max="10ms", rate=100)
def test_broken(pipeline, stage, machine):
    def infer(item):
        machine.work(0.020 if item % 20 == 7 else 0.002)
        return item
    pipeline.run([stage("fetch", .001), infer], list(range(100)))
""",
        [
            "*FAILED*test_broken - p99 latency 21.0 ms > 10.0 ms at 100/s (threads; * items late,*",
            "*late items spend * ms more than the median one in the service of stage 'infer'*",
        ],
    ),
    "an output that differs": (
        """
@pytest.mark.speedup(min=1.5)
def test_broken(pipeline, stage, machine):
    def score(item):
        machine.work(.001)
        return item + (item == 7 and machine.running == "threads")
    pipeline.run([stage("fetch", .001), score], list(range(40)))
""",
        ["*FAILED*test_broken - wrong result under threads: output 7 differs: expected 7, got 8*"],
    ),
    "an item modified in place": (
        """
@pytest.mark.speedup(min=1.5)
def test_broken(pipeline, stage, machine):
    def normalise(row):
        machine.work(.001)
        row.append("seen")
        return len(row)
    pipeline.run([stage("fetch", .001), normalise], [[i] for i in range(40)])
""",
        [
            "*invalid: stage 'normalise' modified item 0*",
            "*FAILED*test_broken - stage 'normalise' modified item 0: items are re-used*",
        ],
    ),
}


def test_the_healthy_plan_passes(pytester):
    run_nested(pytester, HEALTHY).assert_outcomes(passed=1)


@pytest.mark.parametrize("name", REGRESSIONS)
def test_a_regression_fails_for_the_right_reason(pytester, monkeypatch, name):
    monkeypatch.setenv("COLUMNS", "200")
    source, patterns = REGRESSIONS[name]
    result = run_nested(pytester, source)
    result.assert_outcomes(failed=1)
    text = result.stdout.str()
    for pattern in patterns:
        result.stdout.fnmatch_lines([pattern.replace("[", "[[]")])
    assert "INTERNALERROR" not in text
