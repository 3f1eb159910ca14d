"""What a test has measured is let go with the test: a long session does not grow by every comparison."""

from __future__ import annotations

import pytest
from virtual_suite import run_nested

SOURCE = """
import gc
import weakref

from pytest_pipeline import Stage

REFS = []


class Big:
    pass


def closing_over(machine):
    big = Big()
    REFS.append(weakref.ref(big))

    def work(item):
        machine.work(.001)
        return (item, big is None)

    return [Stage(work, name="work", workers=2)]


def test_measures(pipeline, machine):
    pipeline.{call}(closing_over(machine), list(range(8)), {options})


def test_later():
    gc.collect()
    assert len(REFS) == 1
    assert REFS[0]() is None
"""


@pytest.mark.parametrize(
    ("call", "options"),
    [
        ("run", ""),
        ("sweep", "workers=[1, 2]"),
        ("tune", "budget=5.0"),
    ],
)
def test_what_the_stages_of_a_test_held_is_free_in_the_next_test(pytester, call, options):
    result = run_nested(pytester, SOURCE.format(call=call, options=options))
    result.assert_outcomes(passed=2)


def test_a_failed_gate_is_in_the_report_although_its_comparison_is_gone(run, pytester):
    result = run(
        """
        import pytest

        @pytest.mark.speedup(min=2.0)
        def test_gate(pipeline, request):
            pipeline.run(["missed"], [])

        def test_other(): pass
        """,
        "--pipeline-report=out.html",
    )
    result.stdout.fnmatch_lines(["pipeline: 1 gate: 0 met, 1 missed*"])
    assert "1.42x" in (pytester.path / "out.html").read_text()
