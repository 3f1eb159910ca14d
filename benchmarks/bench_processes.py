"""What an item costs between processes: null items, arrays, frames and CPU work, beside the peers.

Joblib chooses its batches by itself in every table, also where the others send one item at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from _installed import is_installed
from _process_arrays import array_table, cores_line, cost_table
from _process_peers import BASELINE, CALM, HERE, with_peers
from _process_rounds import best_peer, compare, null, ratios
from _tables import print_all, spread, table

from pytest_pipeline.stats.confidence import median_sequence

ROUNDS = 9

QUICK = tuple(name for name, peer in HERE.items() if peer.sends_items and not peer.is_slow)
"""Those that need no half millisecond for an item."""


def compute(item: int) -> int:
    total = 0
    for number in range(60_000):
        total += number * item
    return total


def null_table(chunk: int, count: int, rounds: int, *, peers: Sequence[str] = tuple(HERE)) -> str:
    arm = f"processes, chunk={chunk}"
    arms = {arm: {"chunk": chunk}}
    found = compare(null, range(count), arms, rounds=rounds, chunk=chunk, peers=peers)
    required = {arm: "<= 1.1" if chunk == 1 else "<= 1"}
    rows = [
        [
            name,
            spread([each * 1e6 for each in seconds], " us"),
            spread([1 / each for each in ratios(found, name)], "x"),
            required.get(name, ""),
        ]
        for name, seconds in found.items()
    ]
    head = with_peers(f"Null items, chunk {chunk}.")
    return f"{head}\n\n" + table(
        ["null item", "per item", f"time, as a ratio to {BASELINE}", "required"], rows
    )


def frame_table(rounds: int) -> str:
    if not is_installed("pandas"):
        return "pandas is not installed: no table of frames"
    frames = [mixed_frame(100_000)] * 10
    found = compare(null, frames, {"processes": {}}, rounds=rounds, is_echo=True, peers=CALM)
    best = best_peer(found)
    rows = [
        [
            name,
            spread([each * 1e3 for each in seconds], " ms"),
            spread(ratios(found, name, to=best), "x"),
            ">= 2x" if name == "processes" else "",
        ]
        for name, seconds in found.items()
    ]
    head = with_peers("Frames of 100,000 rows, mixed dtypes, there and back.")
    return f"{head}\n\n" + table(
        ["frame", "per frame", f"times as fast as {best}", "required"], rows
    )


def mixed_frame(size: int) -> Any:
    import pandas as pd

    return pd.DataFrame(
        {
            "whole": np.arange(size),
            "real": np.linspace(0.0, 1.0, size),
            "text": [f"row {k % 997}" for k in range(size)],
            "kind": pd.Categorical(["a", "b"] * (size // 2)),
            "when": pd.date_range("2020-01-01", periods=size, freq="min"),
        }
    )


def cpu_table(rounds: int, *, peers: Sequence[str] = QUICK) -> str:
    """Print the paired ratio to the pool; its lower bound holds at 95 % for the median."""
    found = compare(compute, range(60), {"processes": {}}, rounds=rounds, peers=peers)
    rows = []
    for name, seconds in found.items():
        interval = median_sequence(ratios(found, name), alpha=0.1)
        rows.append(
            [
                name,
                spread([each * 1e3 for each in seconds], " ms"),
                spread(ratios(found, name), "x"),
                "" if interval is None else f"{interval[0]:.3f}x",
                ">= 0.95x" if name == "processes" else "",
            ]
        )
    head = with_peers("A stage that computes, 2 workers.")
    names = ["CPU stage", "per item", f"times as fast as {BASELINE}"]
    return f"{head}\n\n" + table([*names, "at least, 95 %", "required"], rows)


def tables(is_quick: bool = False) -> Iterator[str]:
    rounds = 3 if is_quick else ROUNDS
    yield null_table(1, 2_000 if is_quick else 5_000, rounds)
    yield null_table(32, 10_000 if is_quick else 50_000, rounds)
    yield array_table(rounds, is_echo=False)
    yield array_table(rounds, is_echo=True)
    yield cost_table(rounds)
    yield cores_line(rounds)
    yield frame_table(rounds)
    yield cpu_table(5 if is_quick else 20)
    if not is_quick:
        # Many rounds beside nobody but the pool: that is what the requirements are about.
        yield null_table(1, 5_000, 40, peers=[BASELINE])
        yield null_table(32, 50_000, 60, peers=[BASELINE])
        yield cpu_table(100, peers=[BASELINE])


if __name__ == "__main__":
    print_all(tables)
