"""A nested suite in processes of its own: the command that runs it, distributed or not, tests of every outcome, its history."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing

COMMAND = [sys.executable, "-m", "pytest", "-p", "pytest_pipeline.plugin", "-p", "xdist.plugin"]
GATES = """
import pytest

@pytest.mark.speedup(min=2.0)
@pytest.mark.parametrize("script", ["met", "missed", "near", "unavailable", "differs"])
def test_gate(pipeline, script):
    pipeline.run([script], [])

@pytest.mark.speedup(min=2.0)
def test_body(pipeline):
    pipeline.run(["met"], [])
    assert 1 == 2
"""


def kept_in(path):
    """Return what sessions have kept in the history file at `path`, oldest first, without times."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(
            "SELECT nodeid, run, executor, machine, workload, speedup, verdict, verdicts FROM records ORDER BY id"
        ).fetchall()
