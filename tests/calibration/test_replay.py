"""Recorded rounds, judged again, end as they did when they were measured; on virtual time."""

from __future__ import annotations

import random

import pytest
from unit.virtual import Lab, speedup, used

from benchmarks.calibration.cells import Cell
from benchmarks.calibration.one_run import compact
from benchmarks.calibration.replay import replay, replay_table
from benchmarks.calibration.store import Store
from pytest_pipeline.judge.gate import Status

LIMIT = 1.8
REACHED = 160 / 82
"""Speedup of the default plan of the virtual laboratory."""


def record(truth: float, *, spread: float = 0.0, **machine):
    draw = random.Random(1)
    lab = Lab(cpu_share=1.0, **machine)
    lab.threads.slowdown = lambda _: REACHED / truth * draw.choice((1 - spread, 1 + spread))
    comparison = lab.compare(requirements=[speedup(LIMIT)], budget_s=10)
    return {"kind": "run", "cell": "x", "limit": LIMIT, **compact(comparison.to_dict())}


def alone():
    return used(lambda _: 0.0)


@pytest.mark.parametrize(
    ("truth", "expected"),
    [(2.2, Status.MET), (1.2, Status.MISSED), (LIMIT * 0.95, Status.OPEN)],
)
def test_a_recorded_run_ends_the_same_when_it_is_replayed(truth, expected):
    assert replay(record(truth, spread=0.04, usage=alone())) is expected


def test_what_was_disturbed_stays_disturbed():
    busy = record(2.2, neighbour=lambda now: 1.0 if now < 1.5 else 1.8)
    assert busy["dirty"]
    assert replay(busy) is Status.OPEN


def test_a_confirmation_that_is_missing_leaves_the_gate_suspect():
    missed = record(1.2, usage=alone())
    missed["rounds"] = [each for each in missed["rounds"] if not each[0].startswith("c")]
    assert replay(missed) is Status.SUSPECT


def test_the_table_counts_the_runs_that_end_otherwise(tmp_path):
    store = Store(tmp_path / "results.jsonl")
    store.append(record(2.2, usage=alone()))
    store.append({**record(1.2, usage=alone()), "verdict": "met"})
    text = replay_table([Cell("x")], store)
    assert "| x    | 2    | 1    | 1 met -> met, 1 met -> missed |" in text
    assert "1 met -> met, 1 met -> missed" in text


def test_runs_that_cannot_be_replayed_are_left_out(tmp_path):
    store = Store(tmp_path / "results.jsonl")
    old = record(2.2)
    del old["alone"]
    store.append(old)
    store.append({**record(1.2), "verdict": "inconclusive", "reason": "capacity"})
    assert replay_table([Cell("x")], store) == "no recorded run can be replayed"
