"""Markers: bad ones are collection errors that name everything; near and foreign ones get a hint."""

from __future__ import annotations

import pytest

from pytest_pipeline.plugin.names import MARKERS

BAD = [
    ("speedup(min=0)", "@pytest.mark.speedup: min=0 must be above zero and finite"),
    ("speedup(min=-1.5)", "@pytest.mark.speedup: min=-1.5 must be above zero and finite"),
    ('speedup(min="2x")', "@pytest.mark.speedup: min='2x' is a str: expected a number above zero"),
    ("speedup(min=True)", "@pytest.mark.speedup: min=True is a bool: expected a number above zero"),
    ("speedup()", "@pytest.mark.speedup: min is missing; write @pytest.mark.speedup(min=2.0)"),
    ("speedup(executor='threads')", "@pytest.mark.speedup: min is missing; *"),
    (
        "speedup(mim=2)",
        "@pytest.mark.speedup: unknown argument mim=2 (did you mean 'min'?); accepted: min, executor, tolerance, cold",
    ),
    ("speedup(2, 3)", "@pytest.mark.speedup takes one positional argument, found 2: (2, 3)*"),
    ("speedup(2, min=3)", "@pytest.mark.speedup: min is given twice"),
    ("speedup(min=2, cold=1)", "@pytest.mark.speedup: cold=1 is a int: expected True or False"),
    ("speedup(min=2, executor=3)", "*executor=3 is a int: expected the name of an arm*"),
    ('speedup(min=2, tolerance="lots")', "@pytest.mark.speedup: tolerance='lots' is not a share*"),
    ('p99_latency(max="50 parsecs")', "@pytest.mark.p99_latency: max='50 parsecs' is not a time*"),
    ("p99_latency(rate=50)", '@pytest.mark.p99_latency: max is missing; write *(max="80ms")'),
    ('p99_latency(max="50ms", rate=0)', "@pytest.mark.p99_latency: rate=0 must be above zero*"),
    (
        "executors('threds')",
        "*unknown executor 'threds' (did you mean 'threads'?); known: serial,*",
    ),
    ("executors('dask')", "@pytest.mark.executors: executor 'dask' is not in this release"),
    ("executors()", '*names no executor; write @pytest.mark.executors("threads", "processes")'),
    ("executors(names='threads')", "@pytest.mark.executors takes names only, found names="),
    ("executors(3)", "@pytest.mark.executors: 3 is a int: expected names or configured executors"),
    ("measure(budget='soon')", "@pytest.mark.measure: budget='soon' is not a time*"),
    ("measure(max_rounds=0)", "@pytest.mark.measure: max_rounds=0 must be a whole number*"),
    (
        "measure(rounds=3)",
        "@pytest.mark.measure: unknown argument rounds=3*accepted: budget, max_*",
    ),
    ("measure(30)", "@pytest.mark.measure takes keywords only, found (30,)*"),
    ("throughput(min=0)", "@pytest.mark.throughput: min=0 must be above zero and finite"),
    ('throughput(min="400/s")', "*min='400/s' is a str: expected a number above zero"),
    ("throughput(max=9)", "@pytest.mark.throughput: unknown argument max=9; accepted: min,*"),
    (
        "throughput(min=9, rate=5)",
        "@pytest.mark.throughput: unknown argument rate=5; accepted: min, executor, tolerance",
    ),
    ('first_result(max="soon")', "@pytest.mark.first_result: max='soon' is not a time*"),
    ("first_result(executor='threads')", '*max is missing; write *first_result(max="200ms")'),
    ("efficiency(min=80)", '*min=80 is not an efficiency: write "80%" or 0.8 (above 0, at most 1)'),
    ('efficiency(min="most")', "@pytest.mark.efficiency: min='most' is not an efficiency*"),
    ("overlap(min=1)", "*overlap: min=1 must be above 1, which is what a serial loop has"),
    (
        "overlap(min=1.05)",
        "*overlap: min=1.05 less its tolerance of 5 % is 0.9975, and a serial loop has 1: ask for more*",
    ),
    ('overlap(min="all")', "*overlap: min='all' is a str: expected a number of items above 1"),
    ("overlap(min=2, cold=True)", "*overlap: unknown argument cold=True*"),
    ("peak_memory(max=0)", "@pytest.mark.peak_memory: max=0 must be above zero and finite"),
    (
        'peak_memory(max="512 mb")',
        "*max='512 mb' is not a size: write \"200MB\" (units: B, kB, MB,*",
    ),
    ("peak_memory()", '*peak_memory: max is missing; write @pytest.mark.peak_memory(max="512MB")'),
    ("peak_memory(max=9, rate=5)", "*peak_memory: unknown argument rate=5; accepted: max, *"),
    ('error_rate(max="often")', "@pytest.mark.error_rate: max='often' is not a share: write*"),
    ("error_rate(max=1)", "@pytest.mark.error_rate: max=1 is not a share*(at least 0, below 1)"),
    ("error_rate(max=-0.1)", "@pytest.mark.error_rate: max=-0.1 is not a share*"),
    ("error_rate(min=0.1)", "@pytest.mark.error_rate: unknown argument min=0.1*; accepted: max,*"),
    ("no_regression()", "@pytest.mark.no_regression is not in this release (provisional)"),
]


@pytest.mark.parametrize(("marker", "message"), BAD)
def test_a_bad_marker_is_a_collection_error_with_file_and_line(run, marker, message):
    result = run(f"""
        import pytest

        @pytest.mark.{marker}
        def test_gate(pipeline):
            pass
        """)
    result.assert_outcomes(errors=1)
    escaped = message.replace("[", "[[]")
    result.stdout.fnmatch_lines([f"test_it.py:3: test_gate: {escaped}"])
    result.stdout.fnmatch_lines(["ERROR test_it.py - test_gate: @pytest.mark.*"])


def test_a_bad_marker_is_reported_once_everywhere(run_anywhere):
    result = run_anywhere("""
        import pytest

        @pytest.mark.speedup(min=0)
        def test_zero(pipeline):
            pass

        @pytest.mark.p99_latency(max="50 parsecs")
        def test_parsecs(pipeline):
            pass

        def test_good():
            pass
        """)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            "*ERROR collecting test_it.py*",
            "test_it.py:3: test_zero: @pytest.mark.speedup: min=0 must be*",
            "test_it.py:7: test_parsecs: @pytest.mark.p99_latency: max='50 parsecs'*",
            "ERROR test_it.py - test_zero: @pytest.mark.speedup: min=0*(and 1 more)",
        ]
    )
    result.stdout.no_fnmatch_line("*INTERNALERROR*")
    assert sum("min=0 must be" in line for line in result.outlines) == 2


def test_collection_errors_can_be_overridden(run):
    result = run(
        """
        import pytest

        @pytest.mark.speedup(min=0)
        def test_zero(pipeline):
            pass
        """,
        "--continue-on-collection-errors",
    )
    result.assert_outcomes(errors=1)


@pytest.mark.parametrize("stacked", ["min=3.0", "min=2.0, tolerance='10%'"])
def test_two_contradicting_markers_on_one_test_are_refused(run, stacked):
    result = run(f"""
        import pytest

        @pytest.mark.speedup({stacked})
        @pytest.mark.speedup(min=2.0)
        def test_gate(pipeline):
            pass
        """)
    result.stdout.fnmatch_lines(["*@pytest.mark.speedup contradicts itself: min=2 and min=*"])


def test_one_gate_for_each_executor_does_not_contradict(run):
    result = run("""
        import pytest

        @pytest.mark.executors("threads", "processes")
        @pytest.mark.speedup(min=2.0, executor="threads")
        @pytest.mark.speedup(min=0.3, executor="processes")
        @pytest.mark.speedup(min=0.2, executor="processes", cold=True)
        def test_gate(pipeline):
            result = pipeline.run(["met"], [])
            assert [(f.executor, f.requirement.limit) for f in result.findings] == [
                ("threads", 2.0), ("processes", 0.3), ("processes", 0.2)]
        """)
    result.assert_outcomes(passed=1)


def test_a_latency_has_a_limit_for_each_rate(run):
    result = run("""
        import pytest

        @pytest.mark.p99_latency(max="10ms")
        @pytest.mark.p99_latency(max="80ms", rate=50)
        @pytest.mark.p99_latency(max="200ms", rate=100)
        def test_gate(pipeline):
            result = pipeline.run(["met"], [])
            asked = [each.requirement for each in result.findings]
            assert [(each.limit, each.rate_per_s) for each in asked] == [
                (0.01, None), (0.08, 50.0), (0.2, 100.0)]
        """)
    result.assert_outcomes(passed=1)


def test_two_latency_limits_at_one_rate_contradict(run):
    result = run("""
        import pytest

        @pytest.mark.p99_latency(max="80ms", rate=50)
        @pytest.mark.p99_latency(max="200ms", rate=50.0)
        def test_gate(pipeline):
            pass
        """)
    result.stdout.fnmatch_lines(
        ["*@pytest.mark.p99_latency contradicts itself at rate=50: max=0.2 and max=0.08 on *"]
    )


def test_a_nearer_latency_limit_overrides_those_of_every_rate(run):
    result = run("""
        import pytest

        pytestmark = [
            pytest.mark.p99_latency(max="80ms", rate=50),
            pytest.mark.p99_latency(max="10ms"),
        ]

        @pytest.mark.p99_latency(max="90ms", rate=50)
        @pytest.mark.p99_latency(max="300ms", rate=100)
        def test_rates(pipeline):
            assert asked(pipeline) == {50: 0.09, 100: 0.3}

        @pytest.mark.p99_latency(max="20ms")
        def test_no_rate(pipeline):
            assert asked(pipeline) == {None: 0.02}

        def test_of_the_module(pipeline):
            assert asked(pipeline) == {50: 0.08, None: 0.01}

        def asked(pipeline):
            found = [each.requirement for each in pipeline.run(["met"], []).findings]
            return {each.rate_per_s: each.limit for each in found}
        """)
    result.assert_outcomes(passed=3)


def test_the_nearest_marker_wins(run):
    result = run(
        """
        import pytest

        pytestmark = pytest.mark.speedup(min=1.1)

        @pytest.mark.speedup(min=1.2)
        class TestBase:
            def test_class(self, pipeline):
                assert limits(pipeline) == [1.2]

            @pytest.mark.speedup(min=1.3)
            def test_method(self, pipeline):
                assert limits(pipeline) == [1.3]

        @pytest.mark.speedup(min=1.5)
        class TestDerived(TestBase):
            def test_class(self, pipeline):
                assert limits(pipeline) == [1.5]

        @pytest.mark.speedup(min=1.6)
        @pytest.mark.parametrize("limit", [
            pytest.param(1.7, marks=pytest.mark.speedup(min=1.7)), 1.6])
        def test_param(pipeline, limit):
            assert limits(pipeline) == [limit]

        def test_module(pipeline):
            assert limits(pipeline) == [1.1]

        @pytest.mark.speedup(min=1.8)
        def test_added(pipeline):
            assert limits(pipeline) == [1.9]

        def limits(pipeline):
            return [each.requirement.limit for each in pipeline.run(["met"], []).findings]
        """,
        conftest="""
        def pytest_collection_modifyitems(items):
            for item in items:
                if item.name == "test_added":
                    item.add_marker(pytest.mark.speedup(min=1.9))
        """,
    )
    result.assert_outcomes(passed=8)


def test_units_are_understood(run):
    result = run("""
        import datetime
        import pytest

        @pytest.mark.p99_latency(max="80ms", rate=50, tolerance="10%")
        def test_text(pipeline):
            (finding,) = pipeline.run(["met"], []).findings
            made = finding.requirement
            assert (made.limit, made.rate_per_s, made.tolerance) == (0.08, 50.0, 0.1)
            assert made.location == "test_it.py:4"

        @pytest.mark.p99_latency(datetime.timedelta(seconds=1.5))
        def test_timedelta(pipeline):
            assert pipeline.run(["met"], []).findings[0].requirement.limit == 1.5

        @pytest.mark.throughput(min=400)
        @pytest.mark.first_result(max="200ms")
        @pytest.mark.efficiency(min="60%")
        @pytest.mark.overlap(min=2.5, tolerance=0)
        def test_others(pipeline):
            findings = pipeline.run(["met"], []).findings
            assert [each.requirement.limit for each in findings] == [400, 0.2, 0.6, 2.5]
            assert [each.requirement.quantity.value for each in findings] == [
                "throughput", "first_result", "efficiency", "overlap"]

        @pytest.mark.measure(budget="2min", max_rounds=7)
        def test_measure(pipeline):
            import conftest
            pipeline.run(["met"], [])
            assert conftest.CALLS[-1]["budget_s"] == 120.0
            assert conftest.CALLS[-1]["max_rounds"] == 7
        """)
    result.assert_outcomes(passed=4)


def test_a_marker_added_later_is_checked_at_setup(run):
    result = run(
        "def test_gate(pipeline): pass",
        conftest="""
        def pytest_collection_modifyitems(items):
            items[0].add_marker(pytest.mark.speedup(min=-1))
        """,
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*test_it.py:1: test_gate: @pytest.mark.speedup: min=-1 must*"])


def test_strict_markers_accept_all_names_of_the_contract(run):
    names = list(MARKERS)
    marks = "\n".join(f"@pytest.mark.{name}" for name in names)
    result = run(f"import pytest\n{marks}\ndef test_one(): pass", "--strict-markers")
    result.assert_outcomes(passed=1, warnings=len(names))
    listed = run("", "--markers")
    listed.stdout.fnmatch_lines(["@pytest.mark.speedup(min,*fail when*"])


def test_a_bad_marker_in_a_class_is_found_too(run):
    result = run("""
        import pytest

        @pytest.mark.speedup(min="fast")
        class TestSuite:
            def test_one(self, pipeline): pass
            def test_two(self, pipeline): pass
        """)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["test_it.py:5: test_one: *min='fast'*", "test_it.py:6: test_two:*"]
    )


LATE = {
    "a hook of conftest": """
        def pytest_runtest_setup(item):
            item.add_marker(pytest.mark.{marker})
        """,
    "an autouse fixture": """
        @pytest.fixture(autouse=True)
        def gated(request):
            request.applymarker(pytest.mark.{marker})
        """,
}


@pytest.mark.parametrize("how", LATE)
def test_a_gate_that_is_added_during_set_up_is_decided(run, how):
    source = "def test_gate(pipeline): pipeline.run(['missed'], [])"
    result = run(source, conftest=LATE[how].format(marker="speedup(min=2.0)"))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*speedup 1.42x < 2.00x*"])


@pytest.mark.parametrize("how", LATE)
def test_a_gate_that_is_added_during_set_up_to_a_test_that_measures_nothing_fails_it(run, how):
    result = run("def test_gate(): pass", conftest=LATE[how].format(marker="speedup(min=2.0)"))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*@pytest.mark.speedup but measured nothing*"])


@pytest.mark.parametrize("body", ["pass", "pipeline.run(['met'], [])"])
@pytest.mark.parametrize("how", LATE)
def test_a_bad_marker_that_is_added_during_set_up_fails_the_test(run, how, body):
    source = f"def test_gate(pipeline): {body}"
    result = run(source, conftest=LATE[how].format(marker="speedup(min=-1)"))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*test_it.py:1: test_gate: @pytest.mark.speedup: min=-1 must*"])


def test_a_gate_that_the_body_adds_before_it_measures_is_decided(run):
    result = run(
        """
        import pytest

        def test_gate(request, pipeline):
            request.node.add_marker(pytest.mark.speedup(min=2.0))
            pipeline.run(["missed"], [])
        """
    )
    result.assert_outcomes(failed=1)
