"""Lets the tests of this folder import `benchmarks.calibration` however pytest was started; an empty store."""

import sys
from pathlib import Path

import pytest

ROOT = str(Path(__file__).resolve().parents[2])
if ROOT not in sys.path:
    sys.path.append(ROOT)


@pytest.fixture
def store(tmp_path):
    from benchmarks.calibration.store import Store

    return Store(tmp_path / "results.jsonl")
