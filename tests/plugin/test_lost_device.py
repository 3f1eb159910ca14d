"""After a sticky CUDA error later CUDA tests are skipped with its cause, and the summary says so, per process."""

import sys

import pytest
from plugin.conftest import PLUGINS, SCRIPTED

from pytest_pipeline.executors._device import poison

SUITE = """
    import pytest
    from pytest_pipeline.executors._device.poison import poison

    def test_asserts(serial_executor):
        poison("stage 'infer', item 3: AcceleratorError: CUDA error: device-side assert triggered")
        raise RuntimeError("CUDA error: device-side assert triggered")

    def test_later(cuda_executor):
        raise AssertionError("ran on a lost device")

    def test_on_the_cpu(serial_executor):
        assert serial_executor.run([abs], [-1]).outputs == [1]
"""
CAUSE = "CUDA is unusable in this process since an earlier error in *test_asserts: stage 'infer', item 3: AcceleratorError: CUDA error: device-side assert triggered; next: run that test alone with CUDA_LAUNCH_BLOCKING=1*"


@pytest.fixture(autouse=True)
def nobody_is_poisoned(monkeypatch):
    monkeypatch.setattr(poison, "_poison", None)


def test_later_cuda_tests_are_skipped_with_the_cause_and_others_run(run):
    result = run(SUITE)
    result.assert_outcomes(failed=1, skipped=1, passed=1)
    result.stdout.fnmatch_lines([f"SKIPPED*executor 'cuda' cannot run here: {CAUSE}"])


def test_the_summary_names_the_test_that_lost_the_device_once(run):
    result = run(SUITE)
    told = [
        line
        for line in result.outlines
        if line.startswith("pipeline: later CUDA tests of this process are skipped")
    ]
    assert len(told) == 1
    assert "test_asserts" in told[0]


def test_required_cuda_fails_on_a_lost_device(run):
    result = run(SUITE, "--pipeline-require=cuda")
    result.assert_outcomes(failed=1, errors=1, passed=1)
    result.stdout.fnmatch_lines(["*cannot run here: CUDA is unusable*--pipeline-require names it*"])


def test_under_xdist_the_worker_that_lost_it_is_named(pytester):
    pytester.makeconftest(SCRIPTED)
    pytester.makepyfile(test_it=SUITE)
    options = (*PLUGINS, "-p", "xdist.plugin", "-n1", "-rA")
    result = pytester.run(sys.executable, "-m", "pytest", *options, timeout=60)
    result.assert_outcomes(failed=1, skipped=1, passed=1)
    result.stdout.fnmatch_lines(
        [f"pipeline: later CUDA tests of this process (gw0) are skipped: {CAUSE}"]
    )


def test_a_session_that_lost_nothing_says_nothing(run):
    result = run("def test_fine(serial_executor): pass")
    assert "CUDA" not in result.stdout.str()
