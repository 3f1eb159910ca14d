"""The threads executor against its limits and its peers: hops, start-up, waits, computing, early stop, growth."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from statistics import median
from typing import Any

from _rounds import OpenExecutor, Run, interleave, timed
from _tables import spread, table
from _thread_bounds import computing_table, waits_tables
from _thread_peers import (
    BUILT_IN,
    INSTALLED,
    Peer,
    drained,
    stamped_queue_pipeline,
    wait,
    with_missing,
)

from pytest_pipeline import Serial, Stage, Threads
from pytest_pipeline.executors.threads import RunningThreads
from pytest_pipeline.model.plan import Source, make_plan

QUEUE = "queue.Queue(16), thread per stage"
STAMPED = "queue.Queue(16), with the same stamps"
SLOW = {"SPDL", "mpire, threading", "torchdata.nodes"}
"""They get a tenth of the items: some need 100 us for each."""


def same(item: Any) -> Any:
    return item


def _ours(
    executor: Threads, stages: Sequence[Stage], items: Sequence[int], word: str
) -> OpenExecutor:
    arm = OpenExecutor(executor, stages, items)
    assert isinstance(arm.running, RunningThreads)
    arm.running.is_recording = word == "on"
    return arm


def hop_table(rounds: int = 15, items: int = 10_000) -> str:
    """Print the cost of an item and hop in three null stages, as a ratio to the queue.Queue pipeline."""
    many, few = range(items), range(items // 10)
    stages = {
        depth: [Stage(same, name=name, queue_size=depth) for name in "abc"] for depth in (16, 64)
    }
    ours = {
        f"threads, depth {depth}, recording {word}": _ours(Threads(), stages[depth], many, word)
        for depth in (16, 64)
        for word in ("off", "on")
    } | {
        f"threads, depth 16, chunk {chunk}, recording {word}": _ours(
            Threads(chunk=chunk), stages[16], many, word
        )
        for chunk in (10, 100)
        for word in ("off", "on")
    }
    ours["threads, shared pool of 3, recording on"] = OpenExecutor(
        Threads(layout="shared"), stages[16], many
    )
    ours["serial, recording on"] = OpenExecutor(Serial(), stages[16], many)
    peers = {
        name: drained(peer, [same] * 3, few if name in SLOW else many, 1)
        for name, peer in [*BUILT_IN.items(), (STAMPED, stamped_queue_pipeline), *INSTALLED.items()]
    }
    found = interleave({**ours, **peers}, baseline=QUEUE, rounds=rounds)
    for each in ours.values():
        each.close()
    sizes = {name: len(few) if name in SLOW else items for name in found.makespans_s}
    limits = {
        "threads, depth 16, recording off": "<= 0.5",
        "threads, depth 64, recording off": "<= 0.25",
        "threads, depth 16, chunk 10, recording off": "<= 0.12",
        "threads, depth 16, chunk 100, recording off": "<= 0.04",
    }
    base = [seconds / items for seconds in found.makespans_s[QUEUE]]
    rows = []
    for name, makespans in found.makespans_s.items():
        each = [seconds / sizes[name] for seconds in makespans]
        ratios = [mine / theirs for mine, theirs in zip(each, base, strict=True)]
        rows.append(
            [
                name,
                spread([s * 1e6 / 3 for s in each], " us"),
                spread(ratios, "x", 3),
                limits.get(name, ""),
            ]
        )
    return table(
        [with_missing("null stages, per item and hop."), "time", f"ratio to {QUEUE}", "required"],
        rows,
    )


def start_table(rounds: int = 30) -> str:
    """Print what it takes to start three threaded stages, to pass eight items, and to stop them."""
    plan, items = make_plan([Stage(same, name=name) for name in "abc"]), range(8)
    source = Source(lambda: iter(items))

    def bare() -> None:
        Threads().open(plan).close()

    def whole() -> None:
        with closing(Threads().open(plan)) as running:
            running.run(source)

    is_open = Threads().open(plan)
    arms: dict[str, Run] = {
        "threads, start + stop": timed(bare),
        "threads, with 8 items": timed(whole),
        "threads that are up, 8 items": timed(lambda: is_open.run(source)),
    }
    arms |= {
        f"{name}, with 8 items": drained(peer, [same] * 3, items, 1)
        for name, peer in {**BUILT_IN, **INSTALLED}.items()
    }
    with closing(is_open):
        found = interleave(arms, baseline="threads, start + stop", rounds=rounds)
    rows = [
        [
            name,
            spread([s * 1e3 for s in makespans], " ms"),
            "<= 1 ms" if name.endswith("stop") else "",
        ]
        for name, makespans in found.makespans_s.items()
    ]
    return table([with_missing("three stages."), "time", "required"], rows)


class StopEarlyError(Exception):
    """Ends our run where a peer's consumer would stop."""


def stop_table(rounds: int = 9, taken: int = 5) -> str:
    """Print what is pulled from the source, and how long it takes to end, when the consumer wants five outputs.

    Our executor has no consumer: a stage that raises ends its run.
    """
    depths_and_workers = 3 * 16 + 3
    rows = []
    pulls, ends = [], []
    for _ in range(rounds):
        pulled, ended = _stop_ours(taken)
        pulls.append(float(pulled))
        ends.append(ended * 1e3)
    rows.append(
        [
            "threads",
            spread(pulls, digits=0),
            f"<= {taken + depths_and_workers}",
            spread(ends, " ms"),
            "<= 100 ms",
        ]
    )
    for name, peer in {
        **{k: BUILT_IN[k] for k in BUILT_IN if "imap" not in k and "submit" not in k},
        **INSTALLED,
    }.items():
        pulled, ended = _stop_peer(peer, taken)
        rows.append([name, str(pulled), "", f"{ended * 1e3:.1f} ms", ""])
    return table(
        [
            with_missing(f"stopped after {taken} outputs of 3,000."),
            "source pulls",
            "required",
            "closed after",
            "required",
        ],
        rows,
    )


def _counting(count: int, pulls: list[int]) -> Iterator[int]:
    for item in range(count):
        pulls.append(item)
        yield item


def _stop_ours(taken: int) -> tuple[int, float]:
    pulls: list[int] = []
    raised = [0.0]

    def stop(item: int) -> int:
        if item == taken:
            raised[0] = time.perf_counter()
            raise StopEarlyError
        return item

    running = Threads().open(make_plan([wait(0.002), same, stop]))
    try:
        running.run(Source(lambda: _counting(3000, pulls), is_timed=True))
    except StopEarlyError:
        ended = time.perf_counter() - raised[0]
    running.close()
    return len(pulls), ended


def _stop_peer(peer: Peer, taken: int) -> tuple[int, float]:
    pulls: list[int] = []
    outputs = peer([wait(0.002), same, same], _counting(3000, pulls), 1)
    for _ in range(taken):
        next(outputs)
    began = time.perf_counter()
    closer = threading.Thread(target=outputs.close, daemon=True)
    closer.start()
    closer.join(20)
    return len(pulls), time.perf_counter() - began


def growth_table(rounds: int = 5) -> str:
    """Print the cost per item from a thousand to a million of them, and what the trace still holds."""
    running = Threads().open(make_plan([Stage(same, name=name, queue_size=64) for name in "abc"]))
    costs: dict[int, list[float]] = {10**3: [], 10**4: [], 10**5: [], 10**6: []}
    held: dict[int, int] = {}
    running.run(Source(lambda: iter(range(1000))))
    for _ in range(rounds):
        for count, seconds in costs.items():
            trace = running.run(Source(lambda count=count: iter(range(count))))
            seconds.append(trace.makespan_s / count)
            held[count] = len(trace.visits)
    running.close()
    base = median(costs[10**4])
    rows = [
        [
            f"{count:,}",
            spread([s * 1e6 for s in seconds], " us"),
            spread([s / base for s in seconds], "x"),
            f"{held[count]:,} of {3 * count:,}",
        ]
        for count, seconds in costs.items()
    ]
    return table(
        [
            "items, depth 64, recording on",
            "per item",
            "ratio to 10,000 (<= 1.2 from there on)",
            "visits kept",
        ],
        rows,
    )


def tables() -> list[str]:
    return [
        hop_table(),
        start_table(),
        *waits_tables(),
        computing_table(),
        stop_table(),
        growth_table(),
    ]


if __name__ == "__main__":
    print(*tables(), sep="\n\n")
