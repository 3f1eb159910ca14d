"""What the processes of one run share: a private folder for the lock file and the spool files.

The controller makes the folder and tells the workers its path. A worker on another machine does not
find it and makes its own: its lock then excludes the workers of that machine.
"""

from __future__ import annotations

import contextlib
import os
import tempfile

import pytest

from pytest_pipeline.plugin.options import LOCK, OFF_SWITCH, find
from pytest_pipeline.plugin.workers import is_worker

FOLDER = "pipeline_folder"
"""Key of `workerinput`."""


def needs_lock(config: pytest.Config) -> bool:
    """Return whether other tests can run beside those of this process."""
    if find(config, OFF_SWITCH)[0] in {"true", True}:
        return False  # nothing is measured
    if is_worker(config):
        return int(config.workerinput.get("workercount", 2)) > 1 or lock_mode(config) == "machine"  # type: ignore[attr-defined]
    return lock_mode(config) == "machine" and not is_distributing(config)


def is_distributing(config: pytest.Config) -> bool:
    """Return whether this process is an xdist controller: it runs no tests itself."""
    return bool(config.getoption("tx", default=None)) and config.getoption("dist", "no") != "no"


def lock_mode(config: pytest.Config) -> str:
    """Return `run`, `machine` or `off`. Checked elsewhere: here nothing heavy may be imported."""
    return str(find(config, LOCK)[0] or "run").strip()


def lock_path(config: pytest.Config) -> str:
    """Return the path of the lock file, or nothing when the user wants none."""
    mode = lock_mode(config)
    if mode == "off":
        return ""
    if mode == "machine":
        return machine_path()
    return str(os.path.join(worker_folder(config), "lock"))  # noqa: PTH118


def machine_path() -> str:
    """Return the path that all runs of this user on this machine know."""
    user = str(os.getuid()) if hasattr(os, "getuid") else os.environ.get("USERNAME", "")
    return str(os.path.join(tempfile.gettempdir(), f"pytest-pipeline-{user}.lock"))  # noqa: PTH118 - pathlib costs more


def make_folder() -> str:
    """Return a new folder that only this user can enter; nothing when there can be none."""
    try:
        return tempfile.mkdtemp(prefix="pytest-pipeline-")
    except OSError:
        return ""


def worker_folder(config: pytest.Config) -> str:
    """Return the folder that the workers of this run share on this machine."""
    given: dict[str, object] = config.workerinput  # type: ignore[attr-defined]
    told = str(given.get(FOLDER, ""))
    if told and os.path.isdir(told):  # noqa: PTH112
        return told
    own = os.path.join(tempfile.gettempdir(), f"pytest-pipeline-{given.get('testrunuid', '')}")  # noqa: PTH118
    with contextlib.suppress(OSError):  # made by another worker; what else is wrong shows in use
        os.mkdir(own, 0o700)  # noqa: PTH102
    return own
