"""The worst-case null of the e-process: the simulation of `tests/calibration`, with 200 000 runs."""

from __future__ import annotations

import datetime as dt
import importlib.util
import os
from pathlib import Path
from types import ModuleType

from benchmarks.calibration.store import Record

ALPHAS = (0.05, 0.01, 0.001)
ROUNDS = 100
"""As many clean rounds as a comparison takes by default."""
TEST = Path(__file__).resolve().parents[2] / "tests" / "calibration" / "test_null_simulation.py"


def simulate() -> list[Record]:
    """Return one record per tolerated error: how often conforming code at the very limit fails."""
    module = _load()
    _, e_values = module.simulate_ladder(*module.WORST, rounds=ROUNDS)
    highest = e_values.max(1)
    return [
        {
            "kind": "null",
            "at": dt.datetime.now(tz=dt.UTC).isoformat(timespec="seconds"),
            "alpha": alpha,
            "runs": int(module.RUNS),
            "failed": int((highest >= 1 / alpha).sum()),
            "exact": float(module.exact_crossings(*module.WORST, alpha, ROUNDS)[-1]),
        }
        for alpha in ALPHAS
    ]


def _load() -> ModuleType:
    os.environ["PIPELINE_CALIBRATION"] = "full"
    spec = importlib.util.spec_from_file_location("null_simulation", TEST)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
