"""One run of one cell: the public `compare`, and what is kept of its result.

`python -m benchmarks.calibration.one_run CELL INDEX CLEAN` prints the record of a run that needs a
process of its own.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import time
from typing import Any

from benchmarks.calibration import workloads
from benchmarks.calibration.cells import CELLS, Cell, seed_of
from benchmarks.calibration.clean import workload_of
from benchmarks.calibration.kept import keep_round, milliseconds
from benchmarks.calibration.neighbours import neighbour
from benchmarks.calibration.peers import EVERY, ask_peers
from benchmarks.calibration.store import Record
from benchmarks.calibration.whole_pytest import whole_pytest
from pytest_pipeline import Quantity, Requirement, compare

OWN_PROCESS_TIMEOUT_S = 400.0


def run_cell(cell: Cell, index: int, clean: Record) -> Record:
    """Run `cell` once beside its neighbour and return the record."""
    began = time.monotonic()
    peers = {}
    try:
        with neighbour(cell.neighbour, seed_of(cell, index)):
            found = _measure_somewhere(cell, index, clean)
            seconds = time.monotonic() - began
            peers = _peers(cell, index, clean)
    except Exception as error:
        found, seconds = _broken(error), time.monotonic() - began
    return {
        "kind": "run",
        "cell": cell.name,
        "index": index,
        "at": dt.datetime.now(tz=dt.UTC).isoformat(timespec="seconds"),
        "seed": seed_of(cell, index),
        "limit": round(limit_of(cell, clean), 4),
        "seconds": round(seconds, 2),
        **found,
        **({"peers": peers} if peers else {}),
    }


def _measure_somewhere(cell: Cell, index: int, clean: Record) -> Record:
    if cell.is_whole_pytest:
        return compact(whole_pytest(clean["loops"], limit_of(cell, clean)))
    if cell.needs_own_process:
        return _in_own_process(cell, index, clean)
    return measure(cell, index, clean)


def _broken(error: Exception) -> Record:
    """Return what is kept of a run that raised: it counts, and the table shows it."""
    return {
        "verdict": "error",
        "reason": type(error).__name__,
        "headline": str(error)[-2000:],
        "clean": 0,
        "dirty": 0,
        "reference_ms": [None, None],
        "rounds": [],
        "blocks": [],
    }


def limit_of(cell: Cell, clean: Record) -> float:
    """Return what the cell asks for: a speedup, or the latency limit in seconds."""
    if cell.work == "service":
        return workloads.SERVICE_LIMIT_S
    return float(clean["speedup"]) / cell.healthy


def measure(cell: Cell, index: int, clean: Record) -> Record:
    """Compare in this process."""
    work = workload_of(cell, clean, seed_of(cell, index))
    is_service = cell.work == "service"
    requirement = Requirement(
        Quantity.P99_LATENCY if is_service else Quantity.SPEEDUP,
        limit_of(cell, clean),
        rate_per_s=workloads.RATE_PER_S if is_service else None,
    )
    comparison = compare(
        work.stages,
        work.items,
        executors=[cell.executor],
        setup=work.setup,
        requirements=[requirement],
        budget_s=cell.budget_s,
    )
    return compact(comparison.to_dict())


def compact(document: dict[str, Any]) -> Record:
    """Return what is kept of a comparison: verdict, reference, and every round rounded to 0.01 ms."""
    finding = document["findings"][0]
    baseline = document["baseline"]
    reference = document["reference"] or {}
    return {
        "verdict": finding["verdict"],
        "reason": finding["reason"],
        "clean": finding["clean_rounds"],
        "dirty": finding["dirty_rounds"],
        "headline": finding["headline"],
        "reference_ms": [
            milliseconds(reference.get("parallel_s")),
            milliseconds(reference.get("serial_s")),
        ],
        "alone": sum(each["was_alone"] for each in document["rounds"]),
        "rounds": [keep_round(each, baseline) for each in document["rounds"]],
        "blocks": [_block(each, document) for each in document["blocks"]],
    }


def _block(each: dict[str, Any], document: dict[str, Any]) -> list[Any]:
    """Return [phase and `!` when disturbed, late items, items]."""
    limit = document["findings"][0]["effective_limit"]
    late = sum(value > limit for value in each["latencies_s"])
    mark = each["phase"][0] + ("" if each["is_clean"] else "!")
    return [mark, late, len(each["latencies_s"])]


def _peers(cell: Cell, index: int, clean: Record) -> dict[str, bool]:
    if not cell.has_peers or index % EVERY:
        return {}
    seed = seed_of(cell, index) + 1
    healthy = workload_of(cell, clean, seed, is_healthy=True)
    return ask_peers(healthy, workload_of(cell, clean, seed), limit_of(cell, clean))


def _in_own_process(cell: Cell, index: int, clean: Record) -> Record:
    arguments = [cell.name, str(index), json.dumps(clean)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.calibration.one_run", *arguments],
        capture_output=True,
        text=True,
        timeout=OWN_PROCESS_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(
            f"{cell.name}, run {index}, ended with {done.returncode}:\n{done.stderr}"
        )
    record: Record = json.loads(done.stdout.splitlines()[-1])
    return record


def main(name: str, index: str, clean: str) -> None:
    """Run in this process, on the cell's cores, and print the record."""
    cell = next(cell for cell in CELLS if cell.name == name)
    if cell.cores is not None:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: cell.cores])
    print(json.dumps(measure(cell, int(index), json.loads(clean))))


if __name__ == "__main__":
    main(*sys.argv[1:])
