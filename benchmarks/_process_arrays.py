"""Arrays of 8 MB between processes, beside the peers and beside plain copies of the same working set."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from statistics import median
from typing import Any

import numpy as np
from _process_peers import CALM, WORKERS, with_peers
from _process_rounds import best_peer, compare, null, ratios
from _rounds import Run, timed
from _tables import spread, table

from pytest_pipeline.executors.processes import Processes
from pytest_pipeline.model.plan import Source, make_plan

ARRAY = 1 << 20
"""Elements of eight bytes: 8 MB."""

COUNT = 40
"""Arrays of one execution, all of which are kept."""

_kept: dict[int, Any] = {}


def produce(size: int) -> Any:
    """Return an array that the worker has made before: the transfer is what is measured."""
    if size not in _kept:
        _kept[size] = np.ones(size)
    return _kept[size]


def copying(count: int, *, is_fresh: bool) -> Iterator[None]:
    """Copy `count` arrays out of a ring of nine, a full window of slots; all of the copies are kept."""
    ring = [np.ones(ARRAY) for _ in range(9)]
    kept = [np.ones(0 if is_fresh else ARRAY) for _ in range(count)]
    while True:
        for k in range(count):
            if is_fresh:
                kept[k] = ring[k % len(ring)].copy()
            else:
                np.copyto(kept[k], ring[k % len(ring)])
        yield
        if is_fresh:
            kept = [np.ones(0)] * count


def memcpy(*, is_fresh: bool) -> Run:
    """Return a run of `COUNT` plain copies over the same rotating working set, memory that is kept touched before."""
    copies = copying(COUNT, is_fresh=is_fresh)
    next(copies)
    return timed(lambda: next(copies))


def cores_line(rounds: int) -> str:
    """Print what plain copies reach on one core, and on as many as there are workers at the same time."""
    lanes = [copying(COUNT, is_fresh=False) for _ in range(WORKERS)]
    with ThreadPoolExecutor(WORKERS) as pool:  # numpy copies without the GIL

        def all_lanes(some: list[Iterator[None]]) -> float:
            began = time.perf_counter()
            list(pool.map(next, some))
            return len(some) * COUNT * ARRAY * 8 / 1e9 / (time.perf_counter() - began)

        all_lanes(lanes)
        found = [(all_lanes(lanes[:1]), all_lanes(lanes)) for _ in range(rounds)]
    one, together = ([pair[k] for pair in found] for k in (0, 1))
    return (
        f"Plain copies: {spread(one, ' GB/s')} on one core, {spread(together, ' GB/s')} on {WORKERS} at the same time, "
        f"{spread([b / a for a, b in found], 'x')}."
    )


def array_table(rounds: int, *, is_echo: bool) -> str:
    arrays = [np.full(ARRAY, float(k)) for k in range(4)]
    items = [arrays[k % 4] for k in range(COUNT)] if is_echo else [ARRAY] * COUNT
    arms: dict[str, dict[str, Any]] = {"processes": {}, "processes, view=True": {"view": True}}
    copies = {
        "memcpy, one core": memcpy(is_fresh=False),
        "memcpy into fresh memory, one core": memcpy(is_fresh=True),
    }
    fn = null if is_echo else produce
    found = compare(fn, items, arms, rounds=rounds, is_echo=is_echo, peers=CALM, beside=copies)
    best = best_peer(found)
    share = ">= 0.25" if is_echo else ">= 0.5"
    rows = [
        [
            name,
            spread([ARRAY * 8 / each / 1e9 for each in seconds], " GB/s"),
            spread(ratios(found, name, to="memcpy, one core"), digits=3),
            share if name == "processes" else "",
            spread(ratios(found, name, to=best), "x"),
            ">= 5x" if name == "processes" else "",
        ]
        for name, seconds in found.items()
    ]
    way = "there and back" if is_echo else "worker to parent"
    head = with_peers(f"Float64 arrays of 8 MB, {way}.")
    names = ["8 MB array", "of result", "share of memcpy", "required", f"times as fast as {best}"]
    return f"{head}\n\n" + table([*names, "required"], rows)


def cost_table(rounds: int) -> str:
    """Print the CPU time of an array on both sides, in copies: on a busy machine it says more than the clock."""
    copies = copying(COUNT, is_fresh=False)
    next(copies)
    copy_s = median(_cpu_s(lambda: next(copies)) / COUNT for _ in range(rounds))
    arrays = [np.full(ARRAY, float(k)) for k in range(4)]
    ways: list[tuple[str, Any, list[Any], dict[str, Any]]] = [
        ("worker to parent", produce, [ARRAY] * COUNT, {}),
        ("worker to parent, view=True", produce, [ARRAY] * COUNT, {"view": True}),
        ("there and back", null, [arrays[k % 4] for k in range(COUNT)], {}),
    ]
    rows = []
    for name, fn, items, options in ways:
        parent, workers = _costs_s(fn, items, options, rounds)
        shown = ([each / copy_s for each in seconds] for seconds in (parent, workers))
        rows.append([name, *(spread(each) for each in shown), f"{copy_s / median(parent):.2f}"])
    names = ["8 MB array, CPU time in plain copies", "caller's process", "workers, together"]
    return table([*names, "most of memcpy that the caller allows"], rows)


def _costs_s(
    fn: Any, items: list[Any], options: dict[str, Any], rounds: int
) -> tuple[list[float], list[float]]:
    parent, workers = [], []
    with closing(Processes(workers=WORKERS, **options).open(make_plan([fn]))) as running:
        source = Source(lambda: iter(items))
        for number in range(rounds + 1):
            traces: list[Any] = []
            spent = _cpu_s(lambda traces=traces: traces.append(running.run(source)))  # type: ignore[misc]
            if number:
                parent.append(spent / len(items))
                workers.append(sum(row.cpu_s for row in traces[0].ledger.rows) / len(items))
    return parent, workers


def _cpu_s(run: Any) -> float:
    began = time.process_time()
    run()
    return time.process_time() - began
