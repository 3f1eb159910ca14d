"""pytest-timeout ends a measurement that hangs: by signal or by thread, no worker process is left."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

pytest.importorskip("pytest_timeout")

SOURCE = """
import os
import threading
import pytest

def hang(x):
    with open({pids!r}, "a") as file:
        print(os.getpid(), file=file)
    threading.Event().wait()

def double(x):
    return 2 * x

@pytest.mark.timeout(5, method="{method}")
def test_hangs(processes_executor):
    processes_executor.run([hang], [0, 1])

def test_next(processes_executor):
    assert processes_executor.run([double], [1, 2]).outputs == [2, 4]
"""


@pytest.fixture
def hung(pytester, tmp_path):
    """Run the two tests; return the result and the worker processes that hung."""

    def run(method):
        pids = tmp_path / "pids"
        pytester.makepyfile(SOURCE.format(pids=str(pids), method=method))
        result = pytester.runpytest_subprocess(
            "-p", "pytest_timeout", "-p", "pytest_pipeline.plugin", "-p", "no:cacheprovider"
        )
        return result, [int(pid) for pid in Path(pids).read_text().split()]

    return run


def gone(pids):
    """Wait for them, since they end by themselves, and return whether they have."""
    alive = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    return not psutil.wait_procs(alive, timeout=10)[1]


def test_a_timeout_by_signal_fails_the_test_and_the_next_one_works(hung):
    result, pids = hung("signal")
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["*Timeout*5*"])
    assert pids
    assert gone(pids)


def test_a_timeout_by_thread_ends_the_session_with_its_stacks_and_no_worker_is_left(hung):
    result, pids = hung("thread")
    assert result.ret == 1
    assert "Timeout" in result.stdout.str() + result.stderr.str()
    assert "test_hangs" in result.stdout.str() + result.stderr.str()
    assert pids
    assert gone(pids)
