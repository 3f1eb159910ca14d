"""What share of the finite bound threads and their peers reach, on waits and on computing without the GIL."""

from __future__ import annotations

import hashlib
import random
import zlib
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from _rounds import OpenExecutor, Run, interleave
from _tables import spread, table
from _thread_peers import BUILT_IN, INSTALLED, Stages, drained, wait, with_peers

from pytest_pipeline import Serial, Stage, Threads
from pytest_pipeline.cores import usable_cores
from pytest_pipeline.model.plan import Source
from pytest_pipeline.stats.flow import simulate


def bound_s(services_s: Sequence[float], items: int, workers: int, *, cpu_share: float) -> float:
    """Return the makespan of the finite bound: the simulated plan without any overhead."""
    count = len(services_s)
    return simulate(
        np.tile(np.array(services_s), (items, 1)),
        [workers] * count,
        [16] * count,
        cores=float(usable_cores()),
        cpu_share=[cpu_share] * count,
    ).makespan_s


def bound_table(
    title: str,
    stages: Stages,
    items: Sequence[Any],
    workers: int,
    *,
    cpu_share: float,
    rounds: int,
) -> str:
    """Print the share of the finite bound that each way reaches; service times are the serial run's."""
    serial = OpenExecutor(Serial(), stages, items)
    ours = OpenExecutor(
        Threads(),
        [Stage(stage, name=f"s{k}", workers=workers) for k, stage in enumerate(stages)],
        items,
    )
    arms: dict[str, Run] = {"serial": serial, "threads": ours}
    arms |= {
        name: drained(peer, stages, items, workers)
        for name, peer in {**BUILT_IN, **INSTALLED}.items()
    }
    found = interleave(arms, baseline="serial", rounds=rounds)
    trace = serial.running.run(Source(lambda: iter(items)))
    services = [trace.stages[name].service_s / len(items) for name in trace.stage_names]
    serial.close()
    ours.close()
    bound = sum(services) * len(items) / bound_s(services, len(items), workers, cpu_share=cpu_share)
    required = ">= 0.95" if cpu_share else ">= 0.97"
    rows = [
        [
            name,
            spread(found.ratios(name), "x"),
            spread([each / bound for each in found.ratios(name)], digits=3),
            required if name == "threads" else "",
        ]
        for name in arms
        if name != "serial"
    ]
    head = f"{title}, {workers} worker{'s' * (workers > 1)} per stage, {len(items)} items."
    names = [title, "speedup", f"share of the finite bound {bound:.2f}x", "required"]
    return f"{with_peers(head)}\n\n" + table(names, rows)


def waits_tables(rounds: int = 5, items: int = 200) -> list[str]:
    stages = [wait(seconds) for seconds in (0.001, 0.002, 0.001)]
    make = partial(
        bound_table, "waits of 1, 2 and 1 ms", stages, range(items), cpu_share=0.0, rounds=rounds
    )
    return [make(workers) for workers in (1, 4)]


def sort(data: bytes) -> bytes:
    return np.sort(np.frombuffer(data, dtype=np.uint32)).tobytes()


def pack(data: bytes) -> bytes:
    return zlib.compress(data[: 1 << 18], 1) + data


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def computing_table(rounds: int = 7, items: int = 40) -> str:
    chance = random.Random(0)
    blocks = [chance.randbytes(1 << 20) for _ in range(4)]
    batches = [blocks[k % 4] for k in range(items)]
    return bound_table(
        "sort, compress and hash 1 MB without the GIL",
        (sort, pack, digest),
        batches,
        1,
        cpu_share=1.0,
        rounds=rounds,
    )
