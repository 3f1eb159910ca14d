"""What slows stages down beside their work holds in every arm or in none: collector, tracers, caps, prints."""

import ctypes

import pytest

from pytest_pipeline.cores import usable_cores
from pytest_pipeline.executors import _context


def openmp_threads(_):
    import numpy  # noqa: F401, ICN001 - caps are looked at where it is loaded

    return ctypes.CDLL("libgomp.so.1").omp_get_max_threads()


def torch_threads(_):
    import torch

    return torch.get_num_threads()


@pytest.fixture
def look_anew(monkeypatch):
    """`ctypes` may bring a library without an import, which nobody else does."""
    monkeypatch.setattr(_context, "_POOLS", [(0, ())])


def have_the_cap(executor, opened, source, stage):
    threadpoolctl = pytest.importorskip("threadpoolctl")
    running = opened(executor, [stage])
    uncapped = running.run(source([0])).outputs  # loads the pools in the workers
    if uncapped == [1] or usable_cores() == 1:
        pytest.skip("one thread is all there is")
    with threadpoolctl.threadpool_limits(limits=1):
        assert running.run(source([0])).outputs == [1]
        assert running.run(source([0])).outputs == [1]
    assert running.run(source([0])).outputs == uncapped


def test_the_callers_cap_on_openmp_threads_holds_in_every_arm(executor, opened, source, look_anew):
    try:
        ctypes.CDLL("libgomp.so.1")
    except OSError:
        pytest.skip("libgomp is not here")
    have_the_cap(executor, opened, source, openmp_threads)


@pytest.mark.slow
def test_the_callers_cap_holds_for_torch_in_every_arm(executor, opened, source):
    pytest.importorskip("torch")
    have_the_cap(executor, opened, source, torch_threads)
