"""From names to executors, and why one cannot run here."""

import importlib.metadata
import importlib.util
import subprocess
import sys
import types
from pathlib import Path

import pytest

from pytest_pipeline.errors import UnavailableError, UsageError
from pytest_pipeline.executors import registry
from pytest_pipeline.executors.cuda import Cuda
from pytest_pipeline.executors.registry import NAMES, resolve
from pytest_pipeline.executors.serial import Serial
from pytest_pipeline.executors.threads import Threads
from pytest_pipeline.model.plan import make_plan


@pytest.mark.parametrize("name", NAMES)
def test_every_known_name_gives_the_executor_of_that_name(name):
    assert resolve(name).name == name


def test_a_configured_executor_is_taken_as_it_is():
    executor = Threads(name="wide", layout="shared", workers=9)
    assert resolve(executor) is executor
    assert repr(executor) == "Threads(name='wide', layout='shared', workers=9, chunk=None)"


def test_an_unknown_name_lists_the_known_ones_and_a_near_one():
    with pytest.raises(
        UsageError,
        match=r"unknown executor 'thread' \(did you mean 'threads'\?\): known are serial, threads, processes, cuda",
    ):
        resolve("thread")
    with pytest.raises(
        UsageError, match="unknown executor 'qqq': known are serial, threads, processes, cuda, mine"
    ):
        resolve("qqq", {"mine": Serial("mine")})


def test_executors_of_hooks_are_found_by_name():
    mine = Serial("mine")
    assert resolve("mine", {"mine": mine}) is mine


def test_executors_of_entry_points_are_found_by_name(monkeypatch):
    point = importlib.metadata.EntryPoint("far", f"{__name__}:Far", registry.ENTRY_POINT_GROUP)
    module = types.ModuleType(__name__)
    module.Far = lambda: Serial("far")
    monkeypatch.setitem(sys.modules, __name__, module)
    monkeypatch.setattr(
        importlib.metadata, "entry_points", lambda group: importlib.metadata.EntryPoints([point])
    )
    assert resolve("far").name == "far"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (Threads, r"pass an instance, Threads\(\)"),
        (3, "3 is not an executor"),
        (None, "None is not an executor"),
    ],
)
def test_things_that_are_no_executors_are_refused(spec, message):
    with pytest.raises(UsageError, match=message):
        resolve(spec)


def test_importing_the_registry_imports_nothing_heavy():
    code = "import sys, pytest_pipeline.executors.registry; print(*[m for m in ('multiprocessing', 'cloudpickle', 'torch', 'psutil') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout == "\n"


# --- cuda


def fake_torch(monkeypatch, *, cuda, available):
    torch = types.ModuleType("torch")
    torch.__spec__ = importlib.util.spec_from_loader("torch", loader=None)
    torch.__version__ = "9.9"
    torch.version = types.SimpleNamespace(cuda=cuda)
    torch.cuda = types.SimpleNamespace(is_available=lambda: available)
    monkeypatch.setitem(sys.modules, "torch", torch)


def test_cuda_says_that_torch_is_missing(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "torch is not installed" in Cuda().unavailable()


@pytest.mark.parametrize(
    ("cuda", "available", "visible", "cause"),
    [
        (None, False, None, "torch 9.9 is built without CUDA"),
        ("12.8", False, "", "CUDA_VISIBLE_DEVICES='' hides every CUDA device"),
        ("12.8", False, "-1", "CUDA_VISIBLE_DEVICES='-1' hides every CUDA device"),
        ("12.8", False, None, r"torch 9.9 \(CUDA 12.8\) finds no CUDA driver or no device"),
    ],
)
def test_cuda_gives_the_exact_cause(monkeypatch, cuda, available, visible, cause):
    fake_torch(monkeypatch, cuda=cuda, available=available)
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with pytest.raises(UnavailableError, match=f"executor 'cuda': {cause}"):
        Cuda().open(make_plan([abs]))


def test_a_forked_child_of_a_process_that_used_cuda_is_told_so(monkeypatch):
    fake_torch(monkeypatch, cuda="12.8", available=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(sys.modules["torch"].cuda, "_is_in_bad_fork", lambda: True, raising=False)
    assert "forked from one that had initialised CUDA" in Cuda().unavailable()


def test_cuda_is_available_where_torch_finds_a_device(monkeypatch):
    fake_torch(monkeypatch, cuda="12.8", available=True)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert Cuda().unavailable() is None
