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


def nodeid_of(item: pytest.Item) -> str:
    """Return the node id without the `@group` that xdist appends with `--dist loadgroup`.

    The same test must have the same name in every report, whatever distributed it.
    """
    nodeid = item.nodeid
    if "@" not in nodeid or not is_worker(item.config):
        return nodeid
    groups = sorted(
        {
            str((*mark.args, mark.kwargs.get("name", "default"))[0])
            for mark in item.iter_markers("xdist_group")
        }
    )
    return nodeid.removesuffix(f"@{'_'.join(groups)}") if groups else nodeid
