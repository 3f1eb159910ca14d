"""Recorded runs as the tests of the calibration make them up."""

from __future__ import annotations

from benchmarks.calibration.cells import Cell, Required

HEALTHY = Cell("healthy", runs=4)
PLANTED = Cell("planted", runs=2, required=Required(no_false_fail=False, missed=0.99))


def run(cell="healthy", verdict="met", reason="", rounds=("w", "m", "m!", "m"), **more):
    return {
        "kind": "run",
        "cell": cell,
        "verdict": verdict,
        "reason": reason,
        "rounds": [[mark, [100.0], [50.0], [10.0]] for mark in rounds],
        "blocks": [],
        "seconds": 4.0,
        "limit": 1.6,
        **more,
    }
