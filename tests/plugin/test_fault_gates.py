"""`error_rate` and `peak_memory` as a user meets them: passes, failures, first lines, every kind of report."""

from __future__ import annotations

import json

import pytest
from virtual_suite import CONFTEST

FLAKY = """
def flaky(machine, bad, message="connection reset"):
    def fetch(item):
        machine.work(.001)
        if item in bad.get(machine.running, ()):
            raise ConnectionError(f"{message} for item {item}")
        return item
    return fetch
"""

ERRORS_MISSED = """
@pytest.mark.error_rate(max="1%")
def test_fetching(pipeline, machine):
    result = pipeline.run([flaky(machine, {"threads": (3, 7)})], list(range(40)))
    assert result.outputs == list(range(40))
"""

ERRORS_MET = """
@pytest.mark.error_rate(max=0.1)
def test_fetching(pipeline, machine):
    result = pipeline.run([flaky(machine, {"threads": (3,)})], list(range(40)))
    assert [each.item for each in result["threads"].trace.failures] == [3]
"""

MEMORY = """
@pytest.mark.peak_memory(max="100MB")
def test_decoding(pipeline, machine):
    def decode(item):
        machine.work(.001)
        machine.hold({size} if machine.running == "threads" else 20_000_000)
        return item
    result = pipeline.run([decode], list(range(40)))
    assert result["threads"].peak_memory_bytes == {size}
"""


@pytest.fixture
def run_virtual(pytester, monkeypatch):
    """Run `source` on virtual time with every report, and return the result and the JSON document."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(source, *options):
        pytester.makeconftest(CONFTEST)
        pytester.makepyfile("import pytest\n" + FLAKY + source)
        reports = [f"--pipeline-{kind}=out.{kind}" for kind in ("report", "json", "markdown")]
        result = pytester.runpytest_inprocess(
            "-p", "pytest_pipeline.plugin", "-p", "no:cacheprovider", "-rA", *reports, *options
        )
        assert "INTERNALERROR" not in result.stdout.str()
        document = json.loads((pytester.path / "out.json").read_text())
        return result, document

    return run


def test_too_many_failed_items_fail_the_test_with_stage_item_and_message(run_virtual, pytester):
    result, document = run_virtual(ERRORS_MISSED)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "error rate 5 % > 1 % (threads; 95 % interval * %, * items failed)",
            "  0 of * items failed under serial: the failures come with concurrency",
            "  stage 'fetch', item 3: ConnectionError: connection reset for item 3 (and * more like it)",
            "  stage 'fetch', item 7: ConnectionError: connection reset for item 7 (and * more like it)",
            "  next: look for what stage 'fetch' shares between items*",
        ]
    )
    result.stdout.fnmatch_lines(["FAILED *test_fetching - error rate 5 % > 1 % (threads;*"])
    (finding,) = document["tests"][0]["runs"][0]["findings"]
    assert (finding["quantity"], finding["unit"], finding["limit"]) == ("error_rate", "share", 0.01)
    assert finding["verdict"] == "missed"
    assert finding["estimate"]["value"] == 0.05
    page = (pytester.path / "out.report").read_text()
    assert "5 % of the items failed under threads" in page
    assert "connection reset for item 3" in page
    assert (
        "| 5 % | 3.7 % to 6.6 % | error rate ≤ 1 % |"
        in (pytester.path / "out.markdown").read_text()
    )


def test_a_share_within_the_limit_passes_and_the_failures_can_be_looked_at(run_virtual):
    result, document = run_virtual(ERRORS_MET)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*error rate 2.5 %*met*"])
    assert any(
        "failed under threads" in each for each in document["tests"][0]["runs"][0]["warnings"]
    )


def test_without_the_marker_the_first_error_ends_the_test_with_the_users_own_exception(run_virtual):
    result, _ = run_virtual(ERRORS_MISSED.replace('@pytest.mark.error_rate(max="1%")', ""))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["E * ConnectionError: connection reset for item 3", "*stage 'fetch', item 3*"]
    )


FROZEN = """
import dataclasses
import pytest

@dataclasses.dataclass(frozen=True)
class BadRow(Exception):
    row: int

def refuse(item):
    if item == 3:
        raise BadRow(item)
    return item

def test_expected(pipeline):
    with pytest.raises(BadRow):
        pipeline.run([refuse], range(8), executors=["threads"])

def test_direct(threads_executor):
    with pytest.raises(BadRow):
        threads_executor.run([refuse], range(8))
"""


def test_an_exception_that_is_a_frozen_dataclass_reaches_the_test_and_the_report(
    run_virtual, pytester
):
    result, _ = run_virtual(FROZEN)
    result.assert_outcomes(passed=2)  # uncaught, pytest's own context managers cannot hand it on
    page = (pytester.path / "out.report").read_text()
    assert "BadRow" in page
    assert "FrozenInstanceError" not in page


def test_a_limit_that_cannot_be_certified_fails_with_the_number_of_items_it_needs(run_virtual):
    result, _ = run_virtual(
        """
@pytest.mark.error_rate(max="0.001%")
@pytest.mark.measure(budget="1s")
def test_it(pipeline, machine):
    pipeline.run([flaky(machine, {})], list(range(10)))
"""
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "error rate 0 % <= 0.001 % (threads; *: samples",
            "*needs * items without a failure: * s more, and the budget of 1 s extends to 4 s at most*",
        ]
    )


@pytest.mark.parametrize("options", [(), ("--pipeline-off",)])
def test_one_failing_item_fails_a_test_that_allows_none_also_when_measuring_is_switched_off(
    run_virtual, options
):
    result, _ = run_virtual(ERRORS_MET.replace("max=0.1", "max=0"), *options)
    result.stdout.fnmatch_lines(["FAILED *test_fetching - error rate 2.5 % > 0 % (threads;*"])


@pytest.mark.parametrize(
    ("bad", "line"),
    [
        ("(3,)", "PASSED *test_fetching"),
        (
            "range(40)",
            "FAILED *test_fetching - error rate not run (threads): 40 of 40 items failed in the one execution*",
        ),
    ],
)
def test_switched_off_other_limits_only_ask_that_something_comes_out(run_virtual, bad, line):
    source = ERRORS_MET.replace("(3,)", bad).replace("== [3]", "")
    result, _ = run_virtual(source, "--pipeline-off")
    result.stdout.fnmatch_lines([line])


def test_more_memory_than_allowed_fails_the_test(run_virtual, pytester):
    result, document = run_virtual(MEMORY.format(size=150_000_000))
    result.assert_outcomes(failed=1)
    first = "peak memory 150 MB > 100 MB (threads; largest of 2 executions, PSS every 10.0 ms)"
    result.stdout.fnmatch_lines(
        [
            first,
            "  up to 17 items are inside at once: 16 in queues, 1 in workers; the baseline, one item at a time, takes 20.0 MB",
            "  next: a smaller Stage(decode, queue_size=...) or fewer workers under threads",
            f"FAILED *test_decoding - {first}*",
        ]
    )
    run = document["tests"][0]["runs"][0]
    assert [arm["peak_memory_bytes"] for arm in run["arms"]] == [20_000_000, 150_000_000]
    assert run["findings"][0]["unit"] == "B"
    for name in ("out.report", "out.markdown"):
        assert "150 MB" in (pytester.path / name).read_text()


def test_memory_within_the_limit_passes(run_virtual):
    result, _ = run_virtual(MEMORY.format(size=96_000_000))
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*peak memory 96.0 MB*met*"])
