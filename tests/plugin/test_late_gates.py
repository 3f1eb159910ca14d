"""Gates and runs that come when it is late: nothing passes because nobody looked."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    "first", ["", "@pytest.mark.speedup(min=2)", "@pytest.mark.overlap(min=2)"]
)
def test_a_gate_that_is_added_after_the_run_fails_the_test_and_says_so(run, first):
    source = f"""
        import pytest

        {first}
        def test_it(pipeline, request):
            pipeline.run(["met"], [])
            request.node.add_marker(pytest.mark.speedup(min=5))
        """
    result = run(source)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "FAILED*test_it - has @pytest.mark.speedup(min=5) but no pipeline.run was held to it: it was added after*: add it before*"
        ]
    )


def test_a_gate_that_is_added_before_one_of_the_runs_is_no_late_one(run):
    source = """
        import pytest

        @pytest.mark.speedup(min=2)
        def test_it(pipeline, request):
            pipeline.run(["met"], [])
            request.node.add_marker(pytest.mark.p99_latency(max="1s"))
            pipeline.run(["met"], [])
        """
    run(source).assert_outcomes(passed=1)
    run(source, "--pipeline-executors=processes").assert_outcomes(passed=1)


def test_what_a_run_has_found_comes_before_a_gate_that_was_added_late(run):
    source = """
        import pytest

        def test_it(pipeline, request):
            pipeline.run(["differs"], [])
            request.node.add_marker(pytest.mark.speedup(min=5))
        """
    run(source).stdout.fnmatch_lines(["FAILED*test_it - outputs differ (threads): item 3*"])


@pytest.mark.parametrize(
    "body",
    ["pipeline.run(['met'], [])", "pytest.raises(Exception, pipeline.run, ['met'], [])"],
)
def test_a_marker_without_its_limit_is_no_label_on_a_test_that_gets_the_fixture_late(run, body):
    source = f"""
        import pytest

        @pytest.mark.speedup
        def test_it(request):
            pipeline = request.getfixturevalue("pipeline")
            {body}
        """
    result = run(source)
    result.assert_outcomes(failed=1, warnings=1)
    result.stdout.fnmatch_lines(
        ["FAILED*test_it.py:3: test_it: @pytest.mark.speedup: min is missing; write *"]
    )


@pytest.mark.parametrize(
    ("parameters", "asked"),
    [("pipeline", "pipeline"), ("request", "request.getfixturevalue('pipeline')")],
)
@pytest.mark.parametrize("gates", [True, False])
def test_a_run_in_the_teardown_of_a_fixture_is_refused(run, parameters, asked, gates):
    source = f"""
        import pytest

        @pytest.fixture
        def late({parameters}):
            pipeline = {asked}
            yield
            pipeline.run(["differs"], [], gates={gates})

        def test_it(late): pass
        """
    result = run(source)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        ["*UsageError: pipeline.run was called after the verdict on this test was made*yield*"]
    )


def test_a_run_in_the_setup_of_a_fixture_counts_as_one_of_the_test(run):
    source = """
        import pytest

        @pytest.fixture
        def early(pipeline):
            pipeline.run(["missed"], [])

        @pytest.mark.speedup(min=2)
        def test_it(early): pass
        """
    run(source).assert_outcomes(failed=1)


def test_the_pipeline_of_an_earlier_test_says_that_each_test_asks_for_its_own(run):
    result = run("""
        KEPT = []

        def test_first(pipeline):
            KEPT.append(pipeline)

        def test_second():
            KEPT[0].run(["met"], [])
        """)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*UsageError: *`pipeline` of an earlier test: ask for*in each*"])
