"""A nested suite in processes of its own: the command that runs it, distributed or not, and tests of every outcome."""

from __future__ import annotations

import sys

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
