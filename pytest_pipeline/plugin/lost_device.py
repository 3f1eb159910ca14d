"""A CUDA context that a test has lost: said in the summary, once per process; later CUDA tests are skipped."""

from __future__ import annotations

import sys

import pytest

from pytest_pipeline.plugin.names import LOST_DEVICE
from pytest_pipeline.plugin.workers import is_worker, nodeid_of, worker_id

_TOLD = pytest.StashKey[bool]()
"""True once the loss of this process stands on a report."""


def attach_loss(item: pytest.Item, report: pytest.TestReport) -> None:
    """Put the loss on the report of the test that it happened in, which xdist carries to the controller."""
    module = sys.modules.get("pytest_pipeline.executors._device.poison")
    if module is None or module.poisoned() is None or item.config.stash.get(_TOLD, False):
        return
    item.config.stash[_TOLD] = True
    module.blame(nodeid_of(item))
    where = f" ({worker_id(item.config)})" if is_worker(item.config) else ""
    setattr(
        report,
        LOST_DEVICE,
        f"later CUDA tests of this process{where} are skipped: {module.poisoned().text}",
    )
