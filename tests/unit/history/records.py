"""Records of sessions that never ran."""

from __future__ import annotations

from pytest_pipeline.model.history import Record


def record(number: int = 0, **changes: object) -> Record:
    """Return the record of session `number`: 2.6x, 50 ms."""
    return Record(
        **{
            "session": f"session {number}",
            "created": f"2026-11-{number % 28 + 1:02d}T20:06:00+00:00",
            "commit": f"c{number:03d}",
            "branch": "main",
            "is_dirty": False,
            "nodeid": "tests/test_a.py::test_b",
            "run": 0,
            "executor": "threads",
            "machine": "here",
            "machine_text": "this machine",
            "workload": "work",
            "speedup": 2.6,
            "speedup_lower": 2.5,
            "speedup_upper": 2.7,
            "makespan_s": 0.05,
            "baseline_s": 0.13,
            "p99_s": None,
            "p99_lower_s": None,
            "p99_upper_s": None,
            "throughput_per_s": 800.0,
            "verdict": "met",
            "verdicts": "speedup met",
            "clean_rounds": 14,
            "dirty_rounds": 1,
            "control_efficiency": 0.97,
            **changes,
        }
    )


def sessions(*speedups: float, **changes: object) -> list[Record]:
    """Return one record per speedup, in order."""
    return [
        record(k, speedup=each, speedup_lower=each * 0.99, speedup_upper=each * 1.01, **changes)
        for k, each in enumerate(speedups)
    ]
