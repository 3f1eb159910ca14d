"""Nested pytest runs: with our plugin and nothing else of the host, whether it is installed or not."""

from __future__ import annotations

import importlib
import os
import pkgutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pytest_pipeline.comparing
import pytest_pipeline.plugin
import pytest_pipeline.report

# Nested in-process runs restore sys.modules: numpy cannot be imported twice, and everything else
# would be read again in every test. So it is all here before they start.
for package in (pytest_pipeline.plugin, pytest_pipeline.report):
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if found.name.endswith(".windows_locks") and sys.platform != "win32":
            continue
        importlib.import_module(found.name)

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE))
importlib.import_module("scripted")  # nested conftest files take their `compare` from it

SCRIPTED = "import pytest\nfrom scripted import CALLS, pytest_configure"
PLUGINS = ("-p", "pytest_pipeline.plugin")
XDIST = {"alone": (), "n0": ("-p", "xdist.plugin", "-n0"), "n2": ("-p", "xdist.plugin", "-n2")}

Run = Callable[..., pytest.RunResult]


@pytest.fixture(autouse=True)
def _only_our_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{HERE}")
    for name in ("PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER", "CI", "BUILD_NUMBER", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "160")


@pytest.fixture
def until_waiting(pytester: pytest.Pytester) -> Callable[[], None]:
    """Return what blocks until a comparison scripted as `waits` has come to its wait, which only a signal ends."""
    if not hasattr(os, "mkfifo"):
        pytest.skip("needs named pipes")
    for name in ("came.fifo", "never.fifo"):
        os.mkfifo(pytester.path / name)
    return lambda: os.close(os.open(pytester.path / "came.fifo", os.O_RDONLY))


@pytest.fixture
def run(pytester: pytest.Pytester) -> Run:
    """Write `source` as test file and run pytest on it in this process, with the scripted `compare`."""

    def run(source: str, *options: str, conftest: str = "") -> pytest.RunResult:
        pytester.makeconftest(f"{SCRIPTED}\n{textwrap.dedent(conftest)}")
        pytester.makepyfile(test_it=source)
        return pytester.runpytest_inprocess(*PLUGINS, "-W", "default", "-rA", *options)

    return run


@pytest.fixture(params=["alone", "n0", "n2"])
def run_anywhere(request: Any, pytester: pytest.Pytester) -> Run:
    """Do what `run` does, in a process of its own: without xdist, with -n0, with -n2."""

    def run(source: str, *options: str, conftest: str = "") -> pytest.RunResult:
        pytester.makeconftest(f"{SCRIPTED}\n{textwrap.dedent(conftest)}")
        pytester.makepyfile(test_it=source)
        arguments = [*PLUGINS, *XDIST[request.param], "-rA", *options]
        return pytester.run(sys.executable, "-m", "pytest", *arguments, timeout=60)

    return run


@pytest.fixture(params=["alone", "n2"])
def run_both(request: Any, run: Run, pytester: pytest.Pytester) -> Run:
    """Do what `run` does, in this process and with -n2: the cheaper `run_anywhere`."""

    def run_n2(source: str, *options: str, conftest: str = "") -> pytest.RunResult:
        pytester.makeconftest(f"{SCRIPTED}\n{textwrap.dedent(conftest)}")
        pytester.makepyfile(test_it=source)
        arguments = [*PLUGINS, *XDIST["n2"], "-rA", *options]
        return pytester.run(sys.executable, "-m", "pytest", *arguments, timeout=60)

    return run_n2 if request.param == "n2" else run


@pytest.fixture
def spawn() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start Python processes that say when they are ready; all that are left are killed after the test."""
    processes = []

    def spawn(*arguments: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield spawn
    for process in processes:
        process.kill()
        process.communicate()
