"""The threads executor against its limits and its peers: hops, start-up, waits, computing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

from _rounds import OpenExecutor, Run, interleave, timed
from _tables import print_all, spread, table
from _thread_bounds import computing_table, waits_tables
from _thread_peers import (
    BUILT_IN,
    INSTALLED,
    drained,
    stamped_queue_pipeline,
    with_peers,
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


HOP_LIMITS = {
    "threads, depth 16, recording off": "<= 0.5",
    "threads, depth 64, recording off": "<= 0.25",
    "threads, depth 16, chunk 10, recording off": "<= 0.12",
    "threads, depth 16, chunk 100, recording off": "<= 0.04",
}
"""What an item and hop may cost, as a ratio to the queue.Queue pipeline."""


def hop_table(rounds: int = 15, items: int = 10_000) -> str:
    """Print the cost of an item and hop in three null stages, as a ratio to the queue.Queue pipeline."""
    many, few = range(items), range(items // 10)
    ours = _hop_arms(many)
    peers = {
        name: drained(peer, [same] * 3, few if name in SLOW else many, 1)
        for name, peer in [*BUILT_IN.items(), (STAMPED, stamped_queue_pipeline), *INSTALLED.items()]
    }
    found = interleave({**ours, **peers}, baseline=QUEUE, rounds=rounds)
    for each in ours.values():
        each.close()
    base = [seconds / items for seconds in found.makespans_s[QUEUE]]
    rows = []
    for name, makespans in found.makespans_s.items():
        each = [seconds / len(few if name in SLOW else many) for seconds in makespans]
        ratios = [mine / theirs for mine, theirs in zip(each, base, strict=True)]
        cost = spread([s * 1e6 / 3 for s in each], " us")
        rows.append([name, cost, spread(ratios, "x", 3), HOP_LIMITS.get(name, "")])
    head = with_peers("Null stages, per item and hop.")
    return f"{head}\n\n" + table(["null stages", "time", f"ratio to {QUEUE}", "required"], rows)


def _hop_arms(many: Sequence[int]) -> dict[str, OpenExecutor]:
    """Open every way that is ours to take `many` items through three null stages."""
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
    return ours


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
    head = with_peers("Start and stop of three stages.")
    return f"{head}\n\n" + table(["three stages", "time", "required"], rows)


def tables(is_quick: bool = False) -> Iterator[str]:
    yield hop_table(5, 2_000) if is_quick else hop_table()
    yield start_table(5 if is_quick else 30)
    yield from waits_tables(2, 100) if is_quick else waits_tables()
    yield computing_table(3, 20) if is_quick else computing_table()


if __name__ == "__main__":
    print_all(tables)
