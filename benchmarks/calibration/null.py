"""The worst-case null of the e-process: the simulation of `tests/calibration`, with 200 000 runs."""

from __future__ import annotations

import datetime as dt
import importlib.util
import os
from pathlib import Path
from types import ModuleType

import numpy as np

from benchmarks.calibration.store import Record

ALPHAS = (0.05, 0.01, 0.001)
ROUNDS = 100
"""As many clean rounds as a comparison takes by default."""
TEST = Path(__file__).resolve().parents[2] / "tests" / "calibration" / "test_null_simulation.py"


def simulate() -> list[Record]:
    """Return per tolerated error how often conforming code at the very limit fails.

    Once where only best ratios may be bet on, once where every round allows its mean ratio too, drawn apart from the best.
    """
    module = _load()
    exact = [module.exact_crossings(*module.WORST, alpha, ROUNDS)[-1] for alpha in ALPHAS]
    _, best = module.simulate_ladder(*module.WORST, rounds=ROUNDS)
    both = module.simulate_two_ladders(*module.WORST, rounds=ROUNDS)
    return [
        *(_record("best", best.max(1), *each) for each in zip(ALPHAS, exact, strict=True)),
        *(_record("best and mean", both.max(1), alpha) for alpha in ALPHAS),
    ]


def _record(bets: str, highest: np.ndarray, alpha: float, exact: float | None = None) -> Record:
    return {
        "kind": "null",
        "at": dt.datetime.now(tz=dt.UTC).isoformat(timespec="seconds"),
        "bets": bets,
        "alpha": alpha,
        "runs": len(highest),
        "failed": int((highest >= 1 / alpha).sum()),
        "exact": None if exact is None else float(exact),
    }


def _load() -> ModuleType:
    os.environ["PIPELINE_CALIBRATION"] = "full"
    spec = importlib.util.spec_from_file_location("null_simulation", TEST)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
