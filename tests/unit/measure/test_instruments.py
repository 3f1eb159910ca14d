"""Stages run as they would without us: stdout is a real file, a tracer is out of every arm, a stub does no harm."""

from __future__ import annotations

import subprocess
import sys
import threading
import types
from dataclasses import dataclass, field
from unittest.mock import MagicMock, Mock

import pytest
from unit.virtual import Lab

from pytest_pipeline.comparing import compare
from pytest_pipeline.executors.threads import Threads


def write_bytes() -> None:
    sys.stdout.buffer.write(b"x")


def encode() -> None:
    "x".encode(sys.stdout.encoding)


def start_a_program() -> None:
    subprocess.run(["echo", "x"], stdout=sys.stdout, check=True)


@pytest.mark.parametrize("use", [write_bytes, encode, start_a_program])
def test_a_stage_may_use_stdout_as_more_than_text(use, capfd):
    def stage(item: int) -> int:
        use()
        lab.machine.work(0.02)
        return item

    lab = Lab()
    result = lab.compare([stage], range(2), max_rounds=1)
    assert result.outputs == [0, 1]
    assert result.rounds
    assert capfd.readouterr().out.count("x") <= 4, "prints of the first execution of each arm"


def test_workers_of_the_first_execution_do_not_keep_a_profiler_that_was_stopped():
    seen = []

    def note(frame, event, argument):  # noqa: ARG001 - what a profile function takes
        if event == "call" and frame.f_code.co_name == "stage":
            seen.append(threading.current_thread().name)

    def stage(item):
        lab.machine.work(0.001)
        return item

    lab = Lab()
    threading.setprofile(note)
    try:
        result = compare(
            [stage], range(2), executors=[Threads()], machine=lab.machine, max_rounds=1, budget_s=1
        )
    finally:
        threading.setprofile(None)
    assert result.rounds
    assert len(seen) <= 2 * 2, "each arm was profiled in its first execution only"


@pytest.mark.parametrize(
    "stub",
    [types.ModuleType("torch"), MagicMock(), Mock()],
    ids=["an empty module", "a magic mock", "a mock"],
)
def test_a_stub_in_the_place_of_torch_is_no_torch(stub, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", stub)
    assert compare([str], [1], mode="off").outputs == ["1"]


def test_a_package_that_is_imported_and_not_installed_has_no_version(monkeypatch):
    from pytest_pipeline.measure.system import host

    monkeypatch.setattr(host, "_PACKAGES", ("pytest", "no_such_package"))
    monkeypatch.setitem(sys.modules, "no_such_package", types.ModuleType("no_such_package"))
    assert list(host.describe().packages) == ["pytest"]


@dataclass
class Answer:
    value: int
    elapsed_s: float = field(compare=False)


def test_a_field_that_a_dataclass_leaves_out_of_comparisons_is_left_out_here():
    times = iter(range(1000))
    result = compare([lambda item: Answer(item, next(times))], [1, 2], mode="off")
    assert not result.findings
