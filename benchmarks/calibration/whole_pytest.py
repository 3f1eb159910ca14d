"""A run that is a whole pytest run, as a user starts it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

TEST = """\
import pytest

from benchmarks.calibration.workloads import compute

WORK = compute({loops})


@pytest.mark.speedup(min={limit!r})
def test_compression_overlaps(pipeline):
    pipeline.run(WORK.stages, WORK.items)
"""

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 400.0


def whole_pytest(loops: int, limit: float) -> dict[str, Any]:
    """Run pytest on one small test file and return the comparison from its JSON results."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_speed.py").write_text(TEST.format(loops=loops, limit=limit))
        Path(folder, "pytest.ini").write_text("[pytest]\n")
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *_plugin(), "-q", "--pipeline-json=results.json"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        results = Path(folder, "results.json")
        if not results.exists():
            raise RuntimeError(f"pytest ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        (test,) = json.loads(results.read_text())["tests"]
    comparison: dict[str, Any] = test["runs"][0]
    return comparison


def _plugin() -> list[str]:
    return ["-p", "pytest_pipeline.plugin"]
