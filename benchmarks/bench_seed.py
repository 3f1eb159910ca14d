"""The seed's pipeline: waits of 10, 20, 15 and 10 ms, 40 batches. Ours against the bound and against plain Python."""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from _rounds import OpenExecutor, Rounds, interleave, timed
from _tables import spread, table

from pytest_pipeline import Processes, Serial, Stage, Threads

sys.path.insert(0, str(Path(__file__).parents[1] / "example_project"))

from warehouse import sensors

Stages = Sequence[Callable[[Any], Any]]


def wait_10(item: int) -> int:
    time.sleep(0.010)
    return item


def wait_20(item: int) -> int:
    time.sleep(0.020)
    return item


def wait_15(item: int) -> int:
    time.sleep(0.015)
    return item


WAITS: Stages = (wait_10, wait_20, wait_15, wait_10)
WAITS_S = (0.010, 0.020, 0.015, 0.010)
ETL: Stages = (sensors.generate, sensors.preprocess, sensors.transform, sensors.metrics)


def finite_bound(services_s: Sequence[float], workers: Sequence[int], items: int) -> float:
    """Return n x sum / (sum + (n - 1) x the slowest stage's service time per worker)."""
    total = sum(services_s)
    slowest = max(service / width for service, width in zip(services_s, workers, strict=True))
    return items * total / (total + (items - 1) * slowest)


def chained_submit(stages: Stages, items: Sequence[Any]) -> list[Any]:
    """One single-thread pool per stage; each result submits the next call."""
    with ExitStack() as stack:
        pools = [stack.enter_context(ThreadPoolExecutor(1)) for _ in stages]
        done: list[Future[Any]] = [Future() for _ in items]

        def submit(index: int, position: int, value: Any) -> None:
            if position == len(stages):
                done[index].set_result(value)
                return
            pools[position].submit(stages[position], value).add_done_callback(
                lambda future: submit(index, position + 1, future.result())
            )

        for index, item in enumerate(items):
            submit(index, 0, item)
        return [future.result() for future in done]


def naive_queues(stages: Stages, items: Sequence[Any]) -> list[Any]:
    """Pipe items as the seed does: one thread per stage, queues of five, a sentinel at the end."""
    queues: list[queue.Queue[Any]] = [queue.Queue(5) for _ in range(len(stages) + 1)]
    end = object()

    def feed() -> None:
        for item in [*items, end]:
            queues[0].put(item)

    def work(stage: Callable[[Any], Any], source: queue.Queue[Any], sink: queue.Queue[Any]) -> None:
        while (item := source.get()) is not end:
            sink.put(stage(item))
        sink.put(end)

    threads = [threading.Thread(target=feed)]
    threads += [
        threading.Thread(target=work, args=(stage, queues[k], queues[k + 1]))
        for k, stage in enumerate(stages)
    ]
    for thread in threads:
        thread.start()
    outputs = list(iter(queues[-1].get, end))
    for thread in threads:
        thread.join()
    return outputs


def waits_table(rounds: int = 9, items: int = 40) -> str:
    """Our executors and two plain peers on the waits alone, as shares of the finite bound."""
    batches = list(range(items))
    widened = [wait_10, Stage(wait_20, workers=2), wait_15, wait_10]
    serial, threads, wide = (
        OpenExecutor(Serial(), WAITS, batches),
        OpenExecutor(Threads(), WAITS, batches),
        OpenExecutor(Threads(), widened, batches),
    )
    arms = {
        "serial": serial,
        "threads, 1 worker per stage": threads,
        "threads, 2 workers on the slowest": wide,
        "concurrent.futures, chained submit": timed(lambda: chained_submit(WAITS, batches)),
        "queue.Queue, thread per stage": timed(lambda: naive_queues(WAITS, batches)),
    }
    found = interleave(arms, baseline="serial", rounds=rounds)
    for arm in (serial, threads, wide):
        arm.close()
    one, two = (finite_bound(WAITS_S, workers, items) for workers in ((1,) * 4, (1, 2, 1, 1)))
    bounds = {name: two if "2 workers" in name else one for name in arms if name != "serial"}
    rows = [
        [
            name,
            spread(found.ratios(name), "x"),
            f"{bound:.3f}x",
            spread([ratio / bound for ratio in found.ratios(name)], digits=3),
        ]
        for name, bound in bounds.items()
    ]
    return table(["waits only, 40 batches", "speedup", "finite bound", "share of the bound"], rows)


def etl_table(rounds: int = 5, rows: int = 100_000) -> str:
    """Run the whole ETL, computing included, under every executor, start-up counted and not."""
    batches = sensors.batches(rows)
    widened = [ETL[0], Stage(ETL[1], workers=2), *ETL[2:]]
    arms = {
        "serial": OpenExecutor(Serial(), ETL, batches),
        "threads, 1 worker per stage": OpenExecutor(Threads(), ETL, batches),
        "threads, 2 workers on the slowest": OpenExecutor(Threads(), widened, batches),
        "2 processes, workers up": OpenExecutor(Processes(workers=2), ETL, batches),
        "2 processes, start-up counted": OpenExecutor(
            Processes(workers=2), ETL, batches, cold=True
        ),
    }
    found = interleave(arms, baseline="serial", rounds=rounds)
    for arm in arms.values():
        arm.close()
    return table(
        [f"ETL, {rows:,} rows in 40 batches", "makespan", "speedup"], _makespan_rows(found)
    )


def _makespan_rows(found: Rounds) -> list[list[str]]:
    return [
        [name, spread(found.makespans_s[name], " s"), spread(found.ratios(name), "x")]
        for name in found.makespans_s
    ]


def tables() -> list[str]:
    return [waits_table(), etl_table()]


if __name__ == "__main__":
    print(*tables(), sep="\n\n")
