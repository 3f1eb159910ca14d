"""Which process is this? Only the controller writes files and counts."""

from __future__ import annotations

import pytest


def is_worker(config: pytest.Config) -> bool:
    """Return True in a pytest-xdist worker process."""
    return hasattr(config, "workerinput")


def worker_id(config: pytest.Config) -> str:
    """Return `gw0`, ... in a worker and nothing elsewhere."""
    given = getattr(config, "workerinput", None)
    return str(given["workerid"]) if given is not None else ""
