"""What workers see of the test: context variables, torch modes, cores, Ctrl-C."""

import contextvars
import os
import signal
import subprocess
import threading

import pytest

from pytest_pipeline.cores import usable_cores
from pytest_pipeline.errors import LeftBehindWarning
from pytest_pipeline.executors._hops import Credits, Hop
from pytest_pipeline.executors._source import admission_gate
from pytest_pipeline.executors.processes import Processes
from pytest_pipeline.model.plan import Source, make_plan

REQUEST = contextvars.ContextVar("request", default="none")


def test_workers_see_the_context_variables_of_each_run(executor, opened, source):
    running = opened(executor, [lambda x: REQUEST.get()])
    assert running.run(source([1])).outputs == ["none"]
    token = REQUEST.set("mine")
    assert running.run(source([1])).outputs == ["mine"]
    REQUEST.reset(token)
    assert running.run(source([1])).outputs == ["none"]


def test_workers_see_a_context_variable_that_only_a_closure_holds(executor, opened, source):
    mine = contextvars.ContextVar("mine")
    running = opened(executor, [lambda x: mine.get("nothing")])
    assert running.run(source([1])).outputs == ["nothing"]
    token = mine.set({"user": 7})
    assert running.run(source([1])).outputs == [{"user": 7}]
    mine.reset(token)
    assert running.run(source([1])).outputs == ["nothing"]


def test_what_a_stage_sets_does_not_reach_the_test(executor, opened, source):
    assert opened(executor, [lambda x: REQUEST.set("stage") and x]).run(source([1])).outputs == [1]
    assert REQUEST.get() == "none"


def test_a_context_variable_that_cannot_travel_is_named(opened, source):
    running = opened(Processes(workers=1), [lambda x: REQUEST.get()])
    token = REQUEST.set(threading.Lock())
    try:
        with pytest.warns(LeftBehindWarning, match="'request' .TypeError.*next:"):
            assert running.run(source([1])).outputs == ["none"]
        assert running.run(source([2])).outputs == ["none"]  # said once
    finally:
        REQUEST.reset(token)


@pytest.mark.slow
def test_workers_run_under_the_torch_modes_of_the_test(executor, opened, source):
    torch = pytest.importorskip("torch")

    def modes(x):
        import torch

        return (
            torch.is_grad_enabled(),
            torch.is_inference_mode_enabled(),
            torch.is_autocast_enabled("cpu"),
        )

    running = opened(executor, [modes])
    assert running.run(source([1])).outputs == [(True, False, False)]
    with torch.no_grad():
        assert running.run(source([1])).outputs == [(False, False, False)]
    with torch.inference_mode():
        assert running.run(source([1])).outputs == [(False, True, False)]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert running.run(source([1])).outputs == [(True, False, True)]
    assert running.run(source([1])).outputs == [(True, False, False)]


@pytest.mark.slow
def test_workers_make_tensors_on_the_default_device_of_the_test(executor, opened, source):
    torch = pytest.importorskip("torch", "2.3")

    def device(x):
        import torch

        return str(torch.tensor([float(x)]).device)

    running = opened(executor, [device])
    assert running.run(source([1])).outputs == ["cpu"]
    with torch.device("meta"):
        assert running.run(source([1])).outputs == ["meta"]
    torch.set_default_device("meta")
    try:
        assert running.run(source([1])).outputs == ["meta"]
    finally:
        torch.set_default_device(None)
    assert running.run(source([1])).outputs == ["cpu"]


@pytest.fixture
def cgroup(tmp_path):
    def make(lines, files):
        own, root = tmp_path / "own", tmp_path / "root"
        own.write_text("".join(f"{line}\n" for line in lines))
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return {"own": own, "root": root}

    return make


@pytest.fixture
def three_cores(monkeypatch):
    """Let affinity leave three cores, whatever this machine has."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)


@pytest.mark.parametrize(
    ("lines", "files", "cores"),
    [
        (["0::/a/b"], {}, 3),
        (["0::/a/b"], {"a/b/cpu.max": "max 100000\n"}, 3),
        (["0::/a/b"], {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "100000 100000\n"}, 1),
        (["0::/"], {"cpu.max": "50000 100000\n"}, 1),
        (["0::/"], {"cpu.max": "150000 100000\n"}, 1),
        (["0::/"], {"cpu.max": "250000 100000\n"}, 2),
        (["0::/"], {"cpu.max": "6400000 100000\n"}, 3),
        (
            ["4:cpu,cpuacct:/job"],
            {"cpu/job/cpu.cfs_quota_us": "100000\n", "cpu/job/cpu.cfs_period_us": "100000\n"},
            1,
        ),
        (
            ["4:cpu:/job"],
            {"cpu/job/cpu.cfs_quota_us": "-1\n", "cpu/job/cpu.cfs_period_us": "100000\n"},
            3,
        ),
        (["3:memory:/job"], {"cpu/job/cpu.cfs_quota_us": "100000\n"}, 3),
    ],
)
def test_usable_cores_respect_the_cgroup_quota(three_cores, cgroup, lines, files, cores):
    assert usable_cores(**cgroup(lines, files)) == cores


def test_usable_cores_respect_affinity_where_there_is_no_cgroup(three_cores, tmp_path):
    assert usable_cores(own=tmp_path / "missing") == 3


@pytest.mark.parametrize("producers", [1, 2, 5])
@pytest.mark.parametrize("consumers", [1, 3])
def test_credits_that_lie_idle_never_use_up_a_hop(producers, consumers):
    for depth in range(1, 100):
        credit = Hop(depth, producers, consumers).credits
        worths = []
        while not credit.tokens.empty():
            worths.append(credit.tokens.get())
        assert sum(worths) == depth + consumers
        assert (producers - 1 + consumers) * (credit.block - 1) < depth


def test_one_producer_and_one_consumer_wake_each_other_every_eight_items():
    assert Hop(16, 1, 1).credits.block == 8


def test_a_gate_of_one_item_lets_one_item_in():
    credit = Credits(1, 1)
    assert credit.tokens.get() == 1
    assert credit.tokens.empty()


def blas_threads(_: int) -> int:
    import numpy as np  # noqa: F401 - loads the pool
    import threadpoolctl

    return max(pool["num_threads"] for pool in threadpoolctl.threadpool_info())


def test_worker_processes_have_the_callers_cap_on_blas_threads():
    import threadpoolctl

    running = Processes(workers=1).open(make_plan([blas_threads]))
    try:
        running.run(Source(lambda: iter([0])))  # loads numpy in the worker
        with threadpoolctl.threadpool_limits(limits=1):
            assert running.run(Source(lambda: iter([0]))).outputs == [1]
    finally:
        running.close()


@pytest.mark.parametrize("workers", [1, 4, 36, 200])
@pytest.mark.parametrize("takers", [1, 4, 32])
def test_unspent_credits_never_keep_a_worker_without_an_item(workers, takers):
    for queue_sizes in range(1, 100):
        gate = admission_gate(Source(list), queue_sizes, workers, takers=takers)
        worths = [gate.tokens.get() for _ in range(gate.tokens.qsize())]
        assert sum(worths) == queue_sizes + workers
        assert sum(worths) - (takers + 1) * (gate.block - 1) >= workers


@pytest.mark.skipif(
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN,
    reason="whoever started the tests ignores Ctrl-C, and so do all their programs",
)
def test_ctrl_c_ends_a_program_that_a_stage_has_started(executor, opened, source):
    def interrupt_a_program(x):
        with subprocess.Popen(["sleep", "1000"]) as program:
            try:
                program.send_signal(signal.SIGINT)
                return program.wait(timeout=10)
            finally:
                program.kill()

    outputs = opened(executor, [interrupt_a_program]).run(source([1])).outputs
    assert outputs == [-signal.SIGINT]
