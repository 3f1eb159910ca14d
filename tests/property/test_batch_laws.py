"""Laws of batches: whatever travels together, outputs are those of the serial loop."""

from __future__ import annotations

from contextlib import closing

from hypothesis import given, settings, strategies as st

from pytest_pipeline.executors.batches import open_plan
from pytest_pipeline.executors.serial import Serial
from pytest_pipeline.executors.threads import Threads
from pytest_pipeline.model.plan import Source, Stage, make_plan

lawful = settings(max_examples=60)


def with_neighbours(values):
    """Show who shared a batch, and fail for some of them."""
    if sum(map(hash, values)) % 7 == 3:
        raise ValueError("seven")
    return [(value, len(values), hash(tuple(values))) for value in values]


@st.composite
def plans(draw):
    sizes = draw(st.lists(st.sampled_from([None, 1, 2, 3, 4, 6]), min_size=1, max_size=3))
    chunk = draw(st.integers(1, 9))
    return [
        Stage(
            hash if size is None else with_neighbours,
            batch=size,
            chunk=chunk,
            workers=draw(st.integers(1, 3)),
            queue_size=draw(st.integers(1, 3)),
        )
        for size in sizes
    ]


@lawful
@given(plans(), st.integers(0, 40), st.sampled_from(["staged", "shared"]), st.booleans())
def test_any_batches_chunks_and_workers_give_the_outputs_and_failures_of_the_serial_loop(
    stages, count, layout, is_timed
):
    def run(executor):
        source = Source(lambda: iter(range(count)), is_timed=is_timed, collects_errors=True)
        with closing(open_plan(executor, make_plan(stages))) as running:
            return running.run(source)

    expected, found = run(Serial()), run(Threads(layout=layout))
    assert found.outputs == expected.outputs
    assert (found.failed_items, found.failures) == (expected.failed_items, expected.failures)
    assert found.num_items == expected.num_items == count
    assert len(found.outputs) + len(found.failed_items) == count
    assert len(found.latency_s) == len(found.outputs)
