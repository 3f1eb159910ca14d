"""Random plans, sizes, failures and interleavings. `PIPELINE_STRESS_S=600` runs it for longer."""

import os
import random
import sys
import threading
import time
from dataclasses import dataclass, field

import pytest

from pytest_pipeline.executors import _accounts
from pytest_pipeline.executors.processes import Processes
from pytest_pipeline.executors.serial import Serial
from pytest_pipeline.executors.threads import Threads
from pytest_pipeline.explain.item_ledger import make_item_ledger
from pytest_pipeline.model.plan import Source, Stage, make_plan

SECONDS = float(os.environ.get("PIPELINE_STRESS_S", "1.5"))
SEED = int(os.environ.get("PIPELINE_STRESS_SEED", "20261121"))


class PlannedError(Exception):
    """A failure that the item asked for."""


ERRORS = {
    "plain": PlannedError,
    "interrupt": KeyboardInterrupt,
    "exit": SystemExit,
    "stop": StopIteration,
    "generator": GeneratorExit,
}
"""By the word that an item carries."""

COLLECTED = {"plain", "stop"}


@dataclass
class Item:
    """What an item asks of each stage, and what has happened to it."""

    index: int
    spins: list[int]
    fails: tuple[int, str] | None
    payload: bytes
    waits: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Stage -> (item, stage) that must be done before: items overtake and block each other."""
    visits: list[int] = field(default_factory=list)


GATES: dict[tuple[int, int], threading.Event] = {}
"""Opened by the item that is waited for. In this process only."""


def make_stage(number):
    def stage(item):
        for _ in range(item.spins[number]):
            pass
        if number in item.waits:
            GATES[item.waits[number]].wait()
        if item.fails is not None and item.fails[0] == number:
            raise ERRORS[item.fails[1]](item.index)
        if (item.index, number) in GATES:
            GATES[item.index, number].set()
        return Item(
            item.index, item.spins, item.fails, item.payload, item.waits, [*item.visits, number]
        )

    return stage


@pytest.fixture
def nervous_interpreter():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", ["serial", "threads", "threads-shared", "processes", "processes-staged"]
)
def test_random_plans_keep_the_contract(kind, nervous_interpreter, monkeypatch):
    chance = random.Random(SEED)
    GATES.clear()  # it travels with the stages to worker processes, and events cannot
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        depth = chance.randint(1, 4)
        chunk = chance.choice([1, 1, 1, 2, 7, 50])
        stages = [
            Stage(
                make_stage(k),
                name=f"s{k}",
                workers=chance.choice([1, 1, 2, 3]),
                queue_size=chance.choice([1, 2, 3, 5, 16]),
                chunk=chunk,
            )
            for k in range(depth)
        ]
        plan = make_plan(stages, timeout_s=20)
        made = {
            "serial": Serial(),
            "threads": Threads(),
            "threads-shared": Threads(layout="shared", workers=chance.randint(1, 5)),
            "processes": Processes(
                workers=chance.randint(1, 3),
                chunk=chance.choice([1, 1, 2, 7]),
                view=chance.random() < 0.3,
            ),
            "processes-staged": Processes(layout="staged", chunk=chance.choice([1, 1, 3])),
        }[kind]
        running = made.open(plan)
        for _ in range(chance.randint(1, 15)):
            monkeypatch.setattr(_accounts, "MOST_VISITS", chance.choice([10, 100, 1_000_000]))
            one_run(chance, running, depth, awaitable(kind, stages))
        running.close()
        for lost in running._crew._lost:  # given up on after a failure, on a starved machine
            lost.thread.join(10)
        assert running.abandoned == ()


def awaitable(kind, stages):
    """Return from how many of the stages an item may wait for an earlier one without a deadlock.

    Anywhere if an item never overtakes another, or goes on by itself once taken. Where it may
    overtake, it could sit on the very worker that the other needs: only the first stage is safe.
    """
    if kind == "threads-shared":
        return len(stages)
    if kind != "threads" or stages[0].chunk > 1:
        return 0
    return 1 if any(stage.workers > 1 for stage in stages) else len(stages)


def make_items(chance, depth, num_awaitable):
    count = chance.choice([0, 1, 2, 7, 40, 150])
    failing = chance.random() < 0.4
    items = [
        Item(
            index,
            [chance.choice([0, 0, 10, 300, 3000]) for _ in range(depth)],
            (chance.randrange(depth), chance.choice(["plain"] * 20 + list(ERRORS)))
            if failing and chance.random() < 0.1
            else None,
            bytes(chance.choice([0, 10, 40_000, 150_000])),
        )
        for index in range(count)
    ]
    GATES.clear()
    if num_awaitable and not failing and chance.random() < 0.5:
        for item in items[1:]:
            if chance.random() < 0.2:
                awaited = (chance.randrange(item.index), chance.randrange(num_awaitable))
                GATES[awaited] = threading.Event()
                item.waits[chance.randrange(num_awaitable)] = awaited
    return items


def one_run(chance, running, depth, num_awaitable):
    items = make_items(chance, depth, num_awaitable)
    count = len(items)
    collects = chance.random() < 0.5
    source = Source(
        lambda: iter(items),
        is_timed=chance.random() < 0.5,
        in_flight=chance.choice([None, None, 1, 2, 9]),
        collects_errors=collects,
        offsets_ns=[k * 20_000 for k in range(count)] if chance.random() < 0.2 else None,
    )
    bad = {item.index: item.fails for item in items if item.fails is not None}
    fatal = {i: each for i, each in bad.items() if not collects or each[1] not in COLLECTED}
    if fatal:
        with pytest.raises(tuple(ERRORS.values())) as caught:
            running.run(source)
        index = caught.value.args[0]
        assert type(caught.value) is ERRORS[fatal[index][1]]
        assert caught.value.__notes__ == [f"stage 's{fatal[index][0]}', item {index}"]
        return
    check(running.run(source), items, bad, depth)


def check(trace, items, bad, depth):
    """No item lost, doubled or reordered, and every ledger adds up."""
    kept = [item.index for item in items if item.index not in bad]
    assert [output.index for output in trace.outputs] == kept
    assert all(output.visits == list(range(depth)) for output in trace.outputs)
    assert list(trace.failed_items) == sorted(bad)
    assert sum(row.total_s for row in trace.ledger.rows) == pytest.approx(
        trace.ledger.workers * trace.makespan_s
    )
    offset = len(trace.stage_names) - depth
    if trace.chunk > 1:
        assert trace.num_visits == -(-len(items) // trace.chunk) * len(trace.stage_names)
    else:
        assert trace.num_visits == sum(
            (depth if item.fails is None else item.fails[0] + 1) + offset for item in items
        )
    ledger = make_item_ledger(trace)
    assert ledger is not None or not len(trace.latency_s)
    if ledger is not None:
        assert abs(ledger.unaccounted_s) <= 0.02 * ledger.latency_s
        assert ledger.little_gap < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize(
    "executor",
    [Threads(), Threads(layout="shared"), Threads(chunk=10)],
    ids=["staged", "shared", "chunks"],
)
def test_a_hundred_thousand_tiny_items_pass_through_threads(executor):
    running = executor.open(
        make_plan([lambda x: x, Stage(lambda x: x + 1, workers=2), lambda x: x])
    )
    trace = running.run(Source(lambda: iter(range(100_000))))
    assert trace.outputs == list(range(1, 100_001))
    running.close()
