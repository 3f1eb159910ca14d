"""What one profile predicts, beside what the changed plan then gives: the seed's waits and the flights of 2013."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from _tables import spread, table
from bench_seed import WAITS

from pytest_pipeline import Stage, compare
from pytest_pipeline.model.change import Change
from pytest_pipeline.model.plan import make_plan

sys.path.insert(0, str(Path(__file__).parents[1] / "example_project"))

from warehouse import flights

BUDGET_S = 18.0
"""Of each comparison, seconds: without a gate a third of it goes to rounds, of which the flights get two or three."""

Stages = Sequence[Callable[[Any], Any]]


def predictions_table(title: str, stages: Stages, items: Sequence[Any], *, rounds: int) -> str:
    """Predict every change of one worker, and processes; make the change; compare."""
    found: dict[str, tuple[list[float], list[float]]] = {}
    for _ in range(rounds):
        for change, predicted, reached in _one_round(stages, items):
            both = found.setdefault(change, ([], []))
            both[0].append(predicted)
            both[1].append(reached)
    rows = [
        [
            change,
            spread(predicted, "x"),
            spread(reached, "x"),
            f"{median(abs(p / r - 1) for p, r in zip(predicted, reached, strict=True)):.1%}",
        ]
        for change, (predicted, reached) in found.items()
    ]
    return table([title, "predicted", "measured", "median error"], rows)


def _one_round(stages: Stages, items: Sequence[Any]) -> list[tuple[str, float, float]]:
    arm = compare(stages, items, budget_s=BUDGET_S)["threads"]
    predicted = {each.code: each.predicted_speedup for each in arm.what_ifs}
    found = [("as it is", predicted[""], _reached(stages, items))]
    plan = make_plan(stages)
    for k, name in enumerate(plan.names):
        wide = [Stage(each, workers=1 + (k == at)) for at, each in enumerate(stages)]
        code = Change(workers={name: 2}).code(plan=plan)
        if code in predicted:
            found.append((code, predicted[code], _reached(wide, items)))
    processes = 'executors=["processes"]'
    if processes in predicted:
        found.append((processes, predicted[processes], _reached(stages, items, "processes")))
    return found


def _reached(
    stages: Sequence[Stage | Callable[[Any], Any]], items: Sequence[Any], executor: str = "threads"
) -> float:
    speedup = compare(stages, items, executors=[executor], budget_s=BUDGET_S)[executor].speedup
    return float("nan") if speedup is None else speedup.value


def waits_table(rounds: int = 3) -> str:
    """Predictions for plans that wait."""
    return predictions_table("waits, 40 batches", WAITS, range(40), rounds=rounds)


def flights_table(rounds: int = 3) -> str:
    """Predictions for plans that compute, partly under the GIL."""
    with tempfile.TemporaryDirectory() as folder:
        deliveries = flights.split(Path(folder, "raw"), rows=9_000, limit=24)
        enrich = flights.Enrich.from_files(flights.data_folder())
        stages = [flights.unpack, flights.parse, enrich, flights.Load(Path(folder))]
        return predictions_table(
            "flights, 24 deliveries of 9,000 rows", stages, deliveries, rounds=rounds
        )


def tables() -> list[str]:
    return [waits_table(), flights_table()]


if __name__ == "__main__":
    print(*tables(), sep="\n\n")
