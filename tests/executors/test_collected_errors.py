"""Errors that are collected: what fails is counted, the rest comes out in order, nothing stops."""

import numpy as np
import pytest
from stages import breaks_at

from pytest_pipeline.errors import ShippingError
from pytest_pipeline.executors.processes import Processes
from pytest_pipeline.model.plan import Stage
from pytest_pipeline.model.trace import MOST_FAILURES


class UnpicklableError(Exception):
    """Cannot travel from a worker process."""

    def __reduce__(self):
        raise TypeError("not me")


class UnreadableError(Exception):
    """Raises when it is asked what it says."""

    def __str__(self):
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    "bad",
    [(0,), (13,), (29,), (0, 1, 2), (27, 28, 29), tuple(range(30)), ()],
    ids=["first", "middle", "last", "first-three", "last-three", "all", "none"],
)
@pytest.mark.parametrize("is_timed", [False, True], ids=["list", "callable"])
def test_whichever_items_fail_they_are_counted_and_the_others_come_out_in_order(
    executor, opened, source, bad, is_timed
):
    stages = [breaks_at(-1), Stage(breaks_at(*bad), name="parse", workers=3), breaks_at(-1)]
    items = (lambda: iter(range(30))) if is_timed else list(range(30))
    trace = opened(executor, stages).run(source(items, collects_errors=True))
    assert trace.outputs == [x for x in range(30) if x not in bad]
    assert trace.failed_items == bad
    assert [(f.item, f.stage) for f in trace.failures] == [(x, "parse") for x in bad][:20]
    assert np.flatnonzero(trace.emitted_ns == 0).tolist() == list(bad)
    assert len(trace.latency_s) == 30 - len(bad)


def test_failures_of_several_stages_are_told_apart_and_stand_in_input_order(
    executor, opened, source
):
    stages = [
        Stage(breaks_at(3, 9), name="fetch", workers=2),
        Stage(breaks_at(2, 4, 8), name="parse", workers=2),
        Stage(breaks_at(0, 5, 9), name="store", workers=2),
    ]
    trace = opened(executor, stages).run(source(list(range(12)), collects_errors=True))
    assert [(f.item, f.stage) for f in trace.failures] == [
        (0, "store"),
        (2, "parse"),
        (3, "fetch"),
        (4, "parse"),
        (5, "store"),
        (8, "parse"),
        (9, "fetch"),
    ]
    assert trace.outputs == [1, 6, 7, 10, 11]
    assert np.flatnonzero(trace.emitted_ns == 0).tolist() == [0, 2, 3, 4, 5, 8, 9]


def test_a_flood_of_failures_is_counted_in_full_and_kept_in_words_only_at_first(
    executor, opened, source
):
    def always(x):
        raise ValueError("always")

    trace = opened(executor, [always]).run(source(list(range(500)), collects_errors=True))
    assert trace.failed_items == tuple(range(500))
    assert [f.item for f in trace.failures] == list(range(MOST_FAILURES))


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (UnpicklableError, "UnpicklableError: bad item 3"),
        (UnreadableError, "UnreadableError: (its message raised RuntimeError)"),
        (StopIteration, "StopIteration: bad item 3"),
        (lambda text: ValueError(text + "\nsecond line"), "ValueError: bad item 3"),
        (lambda _: ValueError("x" * 5000), "ValueError: " + "x" * 297 + "..."),
        (lambda _: ValueError(), "ValueError: "),
    ],
    ids=["unpicklable", "unreadable", "StopIteration", "two-lines", "long", "no-message"],
)
def test_an_exception_of_any_kind_is_counted_with_its_type_and_first_line(
    executor, opened, source, error, shown
):
    running = opened(executor, [breaks_at(3, error=error)])
    trace = running.run(source(list(range(8)), collects_errors=True))
    assert [f.error for f in trace.failures] == [shown]
    assert trace.outputs == [0, 1, 2, 4, 5, 6, 7]
    assert running.run(source([1, 2], collects_errors=True)).outputs == [1, 2]


def test_failures_do_not_leak_into_the_next_execution_and_errors_stop_again_without_the_flag(
    executor, opened, source
):
    running = opened(executor, [breaks_at(3)])
    assert running.run(source(list(range(5)), collects_errors=True)).failed_items == (3,)
    assert running.run(source([1, 2], collects_errors=True)).failed_items == ()
    with pytest.raises(ValueError, match="bad item 3"):
        running.run(source(list(range(5))))


def test_a_source_that_raises_still_ends_the_execution(executor, opened, source):
    def items():
        yield 1
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        opened(executor, [breaks_at(-1)]).run(source(items, collects_errors=True))


@pytest.mark.parametrize("in_flight", [1, 2])
def test_failed_items_make_room_for_the_next_ones(executor, opened, source, in_flight):
    bad = tuple(range(0, 40, 2))
    trace = opened(executor, [breaks_at(*bad), Stage(breaks_at(-1), queue_size=1)]).run(
        source(list(range(40)), collects_errors=True, in_flight=in_flight)
    )
    assert trace.failed_items == bad
    assert trace.outputs == list(range(1, 40, 2))


def test_the_ledger_of_an_execution_with_failures_still_adds_up(executor, opened, source):
    trace = opened(executor, [breaks_at(1, 5), Stage(breaks_at(7), workers=2)]).run(
        source(list(range(20)), collects_errors=True)
    )
    total = sum(row.total_s for row in trace.ledger.rows)
    assert total == pytest.approx(trace.ledger.workers * trace.makespan_s)


class Unreadable:
    """An item that a worker process cannot rebuild."""

    def __reduce__(self):
        return refuse, ()


def refuse():
    raise ValueError("not here")


def test_an_item_or_output_that_cannot_travel_is_not_a_failed_item(opened, source):
    running = opened(Processes(workers=2), [breaks_at(-1)])
    with pytest.raises(ShippingError, match="cannot be rebuilt in a worker process"):
        running.run(source([1, Unreadable(), 3], collects_errors=True))
    unsendable = opened(Processes(workers=2), [lambda x: (y for y in [x])])
    with pytest.raises(ShippingError, match="cannot be sent back"):
        unsendable.run(source([1], collects_errors=True))
