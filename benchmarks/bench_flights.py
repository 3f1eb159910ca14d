"""The flights of 2013 through unpack, parse, enrich, load: CPU-bound, so threads and processes differ."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from _rounds import OpenExecutor, interleave
from _tables import spread, table

from pytest_pipeline import Processes, Serial, Stage, Threads

sys.path.insert(0, str(Path(__file__).parents[1] / "example_project"))

from warehouse import flights


def flights_table(rounds: int = 11) -> str:
    """All 336,776 rows in twelve deliveries."""
    with tempfile.TemporaryDirectory() as folder:
        deliveries = flights.split(Path(folder, "raw"), rows=28_065)
        enrich = flights.Enrich.from_files(flights.data_folder())
        load = flights.Load(Path(folder))
        stages = [flights.unpack, flights.parse, enrich, load]
        widened = [*stages[:-1], Stage(load, workers=2)]
        arms = {
            "serial": OpenExecutor(Serial(), stages, deliveries),
            "threads, 1 worker per stage": OpenExecutor(Threads(), stages, deliveries),
            "threads, 2 workers on the slowest": OpenExecutor(Threads(), widened, deliveries),
            "2 processes, workers up": OpenExecutor(Processes(workers=2), stages, deliveries),
        }
        found = interleave(arms, baseline="serial", rounds=rounds)
        for arm in arms.values():
            arm.close()
    rows = [
        [name, spread(found.makespans_s[name], " s"), spread(found.ratios(name), "x")]
        for name in arms
    ]
    return table(["flights, 336,776 rows", "makespan", "speedup"], rows)


def tables() -> list[str]:
    return [flights_table()]


if __name__ == "__main__":
    print(*tables(), sep="\n\n")
