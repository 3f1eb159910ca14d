"""Names that come close to our markers, and our names used as labels of other projects."""

from __future__ import annotations


def test_a_label_of_somebody_else_is_ignored_with_one_warning(run):
    result = run("""
        import pytest

        @pytest.mark.overlap
        def test_one(): pass

        @pytest.mark.overlap
        @pytest.mark.speedup
        def test_two(): pass
        """)
    result.assert_outcomes(passed=2, warnings=2)
    result.stdout.fnmatch_lines(["*@pytest.mark.overlap has no arguments*label*ignored*"])


def test_a_label_is_an_error_only_where_warnings_are(run):
    result = run(
        """
        import pytest

        @pytest.mark.overlap
        def test_one(): pass
        """,
        "-W",
        "error",
    )
    result.assert_outcomes(errors=1)
    result.stdout.no_fnmatch_line("*INTERNALERROR*")


def test_a_label_on_a_test_with_its_own_pipeline_fixture_is_ignored(run):
    result = run("""
        import pytest

        @pytest.fixture
        def pipeline(): return "ours"

        @pytest.mark.throughput
        def test_one(pipeline): assert pipeline == "ours"
        """)
    result.assert_outcomes(passed=1, warnings=1)


def test_a_typo_in_a_marker_name_gets_a_hint(run):
    result = run("""
        import pytest

        @pytest.mark.speed_up(min=2)
        def test_one(pipeline): pass

        @pytest.mark.speed_up(min=2)
        def test_unrelated(): pass
        """)
    result.assert_outcomes(passed=2, warnings=3)  # two of them are pytest's own unknown-mark
    result.stdout.fnmatch_lines(["*speed_up*did you mean @pytest.mark.speedup?"])


def test_a_registered_marker_with_a_near_name_gets_no_hint(run, pytester):
    pytester.makeini("[pytest]\nmarkers = speed_up: our own label")
    result = run("""
        import pytest

        @pytest.mark.speed_up
        def test_one(pipeline): pass
        """)
    result.assert_outcomes(passed=1, warnings=0)


MODULE = '''
import pytest

pytestmark = pytest.mark.speedup(min=2.0)

def double(item):
    """
    >>> {call}
    """
    return 2 * item

def test_gate(pipeline):
    pipeline.run(["met"], [])
'''


def test_a_gate_of_the_whole_module_asks_nothing_of_its_doctests(run):
    source = MODULE.format(call="double(2)\n    4")
    run(source, "--doctest-modules").assert_outcomes(passed=2)


def test_a_doctest_that_measures_and_gates_nothing_fails_as_a_test_would(run):
    call = "run = getfixture('pipeline').run(['met'], [], gates=False)"
    source = MODULE.format(call=call)
    result = run(source, "--doctest-modules")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["FAILED *test_it.double - *but measured nothing under it*"])


def test_a_doctest_that_measures_is_held_to_the_gate(run):
    source = MODULE.format(call="run = getfixture('pipeline').run(['missed'], [])")
    result = run(source, "--doctest-modules")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["FAILED *test_it.double - speedup 1.42x < 2.00x (threads)"])


def test_a_parameter_called_pipeline_is_told_from_a_fixture_of_that_name(run):
    result = run("""
        import pytest

        @pytest.mark.speedup(min=2.0)
        @pytest.mark.parametrize("pipeline", [1])
        def test_gate(pipeline): pass
        """)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*measured nothing*(a parametrization)*`parallel_pipeline`*"])
