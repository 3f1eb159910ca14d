"""Random plans, sizes, failures and interleavings. `PIPELINE_STRESS_S=600` runs it for longer."""

import os
import random
import sys
import time

import pytest

from pytest_pipeline.executors.processes import Processes
from pytest_pipeline.executors.serial import Serial
from pytest_pipeline.executors.threads import Threads
from pytest_pipeline.model.plan import Source, Stage, make_plan

SECONDS = float(os.environ.get("PIPELINE_STRESS_S", "1.5"))
SEED = int(os.environ.get("PIPELINE_STRESS_SEED", "20261121"))


class PlannedError(Exception):
    """A failure that the item asked for."""


def make_stage(number):
    def stage(item):
        """Do what the item says: [index, visits, spins per stage, stage to fail in, payload]."""
        index, visits, spins, fails_in, payload = item
        for _ in range(spins[number]):
            pass
        if fails_in == number:
            raise PlannedError(index)
        return [index, [*visits, number], spins, fails_in, payload]

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
def test_random_plans_keep_the_contract(kind, nervous_interpreter):
    chance = random.Random(SEED)
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        depth = chance.randint(1, 4)
        stages = [
            Stage(
                make_stage(k),
                name=f"s{k}",
                workers=chance.choice([1, 1, 2, 3]),
                queue_size=chance.choice([1, 2, 3, 5, 16]),
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
            one_run(chance, running, depth)
        running.close()
        for lost in running._crew._lost:  # given up on after a failure, on a starved machine
            lost.thread.join(10)
        assert running.abandoned == ()


def one_run(chance, running, depth):
    count = chance.choice([0, 1, 2, 7, 40, 150])
    failing = chance.random() < 0.4
    items = [
        [
            index,
            [],
            [chance.choice([0, 0, 10, 300, 3000]) for _ in range(depth)],
            chance.randrange(depth) if failing and chance.random() < 0.1 else None,
            bytes(chance.choice([0, 10, 40_000, 150_000])),
        ]
        for index in range(count)
    ]
    collects = chance.random() < 0.5
    source = Source(
        lambda: iter(items),
        is_timed=chance.random() < 0.5,
        in_flight=chance.choice([None, None, 1, 2, 9]),
        collects_errors=collects,
        offsets_ns=[k * 20_000 for k in range(count)] if chance.random() < 0.2 else None,
    )
    bad = [item[0] for item in items if item[3] is not None]
    if bad and not collects:
        with pytest.raises(PlannedError) as caught:
            running.run(source)
        index = caught.value.args[0]
        assert index in bad
        assert caught.value.__notes__ == [f"stage 's{items[index][3]}', item {index}"]
        return
    trace = running.run(source)
    assert [output[0] for output in trace.outputs] == [
        index for index in range(count) if index not in bad
    ]
    assert all(output[1] == list(range(depth)) for output in trace.outputs)
    assert sorted(failure.item for failure in trace.failures) == bad
    assert sum(row.total_s for row in trace.ledger.rows) == pytest.approx(
        trace.ledger.workers * trace.makespan_s
    )
    offset = len(trace.stage_names) - depth
    assert len(trace.visits) == sum(
        (depth if item[3] is None else item[3] + 1) + offset for item in items
    )


@pytest.mark.slow
def test_a_hundred_thousand_tiny_items_pass_through_threads():
    running = Threads().open(
        make_plan([lambda x: x, Stage(lambda x: x + 1, workers=2), lambda x: x])
    )
    trace = running.run(Source(lambda: iter(range(100_000))))
    assert trace.outputs == list(range(1, 100_001))
    running.close()
