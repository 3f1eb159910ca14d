"""What slows stages down beside their work holds in every arm or in none: collector, tracers, caps, prints."""

import ctypes
import decimal
import gc

import numpy as np
import pytest

from pytest_pipeline.cores import usable_cores
from pytest_pipeline.executors import _context
from pytest_pipeline.executors.processes import Processes


def test_the_garbage_collector_is_off_in_every_arm_or_in_none(executor, opened, source):
    running = opened(executor, [lambda x: gc.isenabled()])
    assert running.run(source([1])).outputs == [True]
    gc.disable()
    try:
        assert running.run(source([1])).outputs == [False]
        gc.collect()
        assert running.run(source([1])).outputs == [False]
    finally:
        gc.enable()
    assert running.run(source([1])).outputs == [True]


def test_worker_processes_collect_once_whenever_the_test_has_collected(opened, source):
    running = opened(Processes(workers=1), [lambda x: gc.get_stats()[-1]["collections"]])

    def collections():
        return running.run(source([1])).outputs[0]

    gc.disable()
    try:
        first = collections()
        assert collections() == first
        gc.collect()
        assert collections() == first + 1
        assert collections() == first + 1
    finally:
        gc.enable()


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


def test_decimals_have_the_precision_of_the_test_in_every_arm(executor, opened, source):
    running = opened(executor, [lambda x: decimal.Decimal(1) / x])
    long = running.run(source([3])).outputs
    with decimal.localcontext(prec=5):
        assert running.run(source([3])).outputs == [decimal.Decimal("0.33333")]
    assert running.run(source([3])).outputs == long == [decimal.Decimal(1) / 3]


def test_floating_point_errors_are_treated_as_in_the_test_in_every_arm(executor, opened, source):
    running = opened(executor, [lambda x: np.geterr()["divide"]])
    assert running.run(source([1])).outputs == ["warn"]
    with np.errstate(divide="raise"):
        assert running.run(source([1])).outputs == ["raise"]
        assert running.run(source([1])).outputs == ["raise"]
    assert running.run(source([1])).outputs == ["warn"]


@pytest.mark.filterwarnings("ignore:divide by zero")  # what numpy 1 does in a thread of its own
def test_floating_point_errors_that_the_test_has_called_or_logged_still_let_stages_run(
    executor, opened, source
):
    running = opened(executor, [lambda x: float(np.float64(x) / 0)])
    with np.errstate(all="call", call=lambda *_: None):
        assert running.run(source([1])).outputs == [float("inf")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "values"),
    [
        ("default_dtype", ("torch.float64", "torch.float32")),
        ("deterministic_debug_mode", (2, 0)),
        ("float32_matmul_precision", ("medium", "highest")),
    ],
)
def test_torch_has_the_settings_of_the_test_in_every_arm(executor, opened, source, setting, values):
    torch = pytest.importorskip("torch")
    value, usual = values

    def seen(x):
        import torch

        found = getattr(torch, f"get_{setting}")()
        return str(found) if isinstance(found, torch.dtype) else found

    def give(what):
        getattr(torch, f"set_{setting}")(torch.float64 if what == "torch.float64" else what)

    running = opened(executor, [seen])
    assert running.run(source([1])).outputs == [usual]
    give(value)
    try:
        assert running.run(source([1])).outputs == [value]
    finally:
        give(torch.float32 if setting == "default_dtype" else usual)
    assert running.run(source([1])).outputs == [usual]


TRACED = """
import os, sys
import coverage
from pytest_pipeline.executors.processes import Processes
from pytest_pipeline.model.plan import Source, make_plan

def is_traced(x):
    monitoring = getattr(sys, "monitoring", None)
    tools = [monitoring.get_tool(tool) for tool in range(6)] if monitoring else []
    return sys.gettrace() is not None or any(tools)

def execute():
    running = Processes(workers=1).open(make_plan([is_traced]))
    outputs = running.run(Source(lambda: iter([0]))).outputs
    running.close()
    return outputs[0]

if __name__ == "__main__":
    measured = coverage.Coverage()
    measured.start()
    before = execute()
    measured.stop()
    meanwhile = execute()
    measured.start()
    after = execute()
    measured.stop()
    measured.save()
    files = [name for name in os.listdir() if name.startswith(".coverage.")]
    print("traced", before, meanwhile, after, len(files) > 1)
"""


@pytest.mark.slow
@pytest.mark.parametrize("option", ["concurrency = multiprocessing", "patch = subprocess"])
def test_no_worker_process_is_traced_while_the_test_is_not(script, tmp_path, option):
    """Coverage starts anew in every process, as its configuration says, which would slow one arm only."""
    pytest.importorskip("coverage", minversion="7.10")
    (tmp_path / ".coveragerc").write_text(f"[run]\nparallel = true\n{option}\n")
    output, _ = script(TRACED).communicate(timeout=60)
    (line,) = [line.split() for line in output.splitlines() if line.startswith("traced")]
    assert line[1:4] == ["True", "False", "True"]
    if option.startswith("concurrency"):
        assert line[4] == "True", "what worker processes have seen is saved"


PRINTS = """
from pytest_pipeline.executors.processes import Processes
from pytest_pipeline.measure.instruments import dropped_prints
from pytest_pipeline.model.plan import Source, make_plan

if __name__ == "__main__":
    running = Processes(workers=1).open(make_plan([print]))
    running.run(Source(lambda: iter(["first"])))
    with dropped_prints():
        running.run(Source(lambda: iter(["dropped"])))
        running.run(Source(lambda: iter(["dropped"])))
    running.run(Source(lambda: iter(["last"])))
    with dropped_prints():
        running.run(Source(lambda: iter(["dropped"])))
    running.close()
"""


def test_prints_of_later_executions_are_dropped_in_worker_processes_too(script):
    output, _ = script(PRINTS).communicate(timeout=60)
    assert output.split() == ["first", "last"]
