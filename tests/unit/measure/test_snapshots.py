"""An item that was modified is told from one that filled a cache; an output that is written to later, from one that stays."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

import numpy as np
import pytest
from unit.virtual import Lab, error_rate, speedup

from pytest_pipeline.comparing import compare
from pytest_pipeline.errors import UsageError
from pytest_pipeline.executors.threads import Threads
from pytest_pipeline.measure.checks.snapshot import Room, Snapshot
from pytest_pipeline.model.finding import Reason, Verdict
from pytest_pipeline.model.plan import Stage


class Order:
    """An item that works something out once."""

    def __init__(self, number: int) -> None:
        self.number = number

    @functools.cached_property
    def label(self) -> str:
        return f"order {self.number}"


def reason_of(lab, stages, items, **options):
    """Return why the comparison is invalid; empty when it is not."""
    result = lab.compare(stages, items, mode="off", **options)
    invalid = [each for each in result.findings if each.verdict is Verdict.INVALID]
    return invalid[0].reason if invalid else ""


def test_an_item_that_works_something_out_once_is_not_called_modified():
    lab = Lab()
    items = [Order(number) for number in range(3)]
    assert reason_of(lab, [Stage(lambda each: each.label, name="label")], items) == ""


def test_an_item_whose_number_changes_is_called_modified():
    lab = Lab()

    def count(order):
        order.number += 1
        return 0

    assert reason_of(lab, [count], [Order(1)]) is Reason.ITEMS_MODIFIED


@pytest.mark.parametrize(
    "use",
    [lambda frame: frame[frame.v > 1].v.sum(), lambda frame: len(list(frame.iterrows()))],
    ids=["filter", "rows"],
)
def test_frames_with_dates_are_not_called_modified(use):
    pd = pytest.importorskip("pandas")
    frames = [
        pd.DataFrame({"t": pd.to_datetime(["2020-01-01", "2020-01-02"]), "v": [1, 2]})
        for _ in range(3)
    ]
    by_date = [frame.set_index("t") for frame in frames]
    for items in (frames, by_date):
        assert reason_of(Lab(), [Stage(use, name="use")], items) == ""
    assert (
        reason_of(Lab(), [Stage(lambda f: f.resample("D").sum().v.sum(), name="r")], by_date) == ""
    )


class Loader:
    """Makes its items anew each time, as a `DataLoader` does, or hands out the same ones."""

    def __init__(self, *, is_fresh: bool) -> None:
        self.kept = [] if is_fresh else [np.arange(3.0) for _ in range(2)]

    def __iter__(self):
        return iter(self.kept or [np.arange(3.0) for _ in range(2)])


def double(array):
    array *= 2
    return 0


def test_items_that_are_read_anew_are_not_called_modified():
    total = Stage(lambda array: float(array.sum()), name="sum")
    assert reason_of(Lab(), [total], Loader(is_fresh=True)) == ""


def test_items_that_an_object_hands_out_again_may_not():
    assert reason_of(Lab(), [double], Loader(is_fresh=False)) is Reason.ITEMS_MODIFIED


def test_items_are_only_read_between_setup_and_teardown():
    class Table:
        is_open = False

        def __iter__(self):
            assert self.is_open
            return iter([1, 2])

    table, lab = Table(), Lab()

    def opened(value):
        table.is_open = value

    found = reason_of(
        lab,
        [lab.stage("read", 0.001)],
        table,
        setup=lambda: opened(True),
        teardown=lambda: opened(False),
    )
    assert found == ""


def test_a_buffer_that_every_item_is_written_to_is_refused_with_the_way_out():
    buffer = np.zeros(2)

    def fill(item):
        return np.multiply(np.ones(2), item, out=buffer)

    (finding,) = Lab().compare([Stage(fill, name="fill")], [1, 2, 3]).findings
    assert finding.reason is Reason.OUTPUTS_DIFFER
    assert "output 0 was written to after stage 'fill' had returned it" in finding.headline
    assert finding.next_step.startswith("return a copy")
    assert finding.cause == ""


def test_a_collection_that_grows_from_item_to_item_is_refused():
    totals: dict[int, int] = {}

    def count(item):
        totals[item] = totals.get(item, 0) + 1
        return totals

    assert reason_of(Lab(), [count], [1, 2]) is Reason.OUTPUTS_DIFFER


def test_items_of_a_callable_that_are_the_same_objects_are_found_out():
    data = [np.ones(2), np.ones(2)]

    def grow(array):
        array *= 2
        return array

    (finding,) = Lab().compare([grow], lambda: iter(data)).findings
    assert finding.reason is Reason.OUTPUTS_DIFFER
    assert "a later execution wrote into the same objects" in finding.headline


def test_a_value_that_is_too_large_to_keep_is_told_by_its_fingerprint_alone():
    array = np.zeros(1000)
    large, small = Snapshot(array, Room(100)), Snapshot(array, Room())
    assert (large.can_confirm, small.can_confirm) == (False, True)
    assert not large.has_changed(array)
    array[0] = 1
    assert large.has_changed(array)
    assert small.has_changed(array)


def test_outputs_of_which_none_came_out_in_the_baseline_are_never_taken_for_equal():
    lab = Lab()

    def here(item):
        lab.machine.work(0.001)
        if lab.machine.running == "serial":
            raise OSError("not in this thread")
        return "garbage"

    (*_, finding) = lab.compare(
        [here], requirements=[error_rate(0.5, executor="threads"), speedup(1.1)]
    ).findings
    assert (finding.verdict, finding.reason) == (Verdict.INVALID, Reason.OUTPUTS_DIFFER)
    assert "no item came out in both arms" in finding.headline


def test_a_row_of_a_batch_is_kept_for_its_own_values_alone():
    torch = pytest.importorskip("torch")
    rows = list(torch.zeros(100, 1000))
    room = Room(3 * 5_000)
    assert [Snapshot(row, room).can_confirm for row in rows[:4]] == [True, True, True, False]


class Row:
    """An item that is equal to another one when their keys are."""

    def __init__(self, key: int) -> None:
        self.key, self.is_done = key, False

    def __eq__(self, other):
        return self.key == other.key

    __hash__ = None


@dataclass
class Ticket:
    number: int
    status: str = field(default="new", compare=False)


def finish(item):
    if isinstance(item, Row):
        item.is_done = True
    else:
        item.status = "done"
    return 0


def retype(item):
    item["x"] = float(item["x"])
    return 0


def reorder(item):
    item["x"] = item.pop("x")
    return 0


@pytest.mark.parametrize(
    ("stage", "item"),
    [
        (finish, Row(1)),
        (finish, Ticket(1)),
        (retype, {"x": 1}),
        (reorder, {"x": 1, "y": 2}),
    ],
    ids=["key", "field", "type", "order"],
)
def test_an_item_that_is_modified_is_so_whatever_its_class_calls_equal(stage, item):
    assert reason_of(Lab(), [stage], [item]) is Reason.ITEMS_MODIFIED


@pytest.mark.parametrize(
    "wrap",
    [lambda order: (1, order), lambda order: {"order": order}, lambda order: [[order]]],
    ids=["tuple", "dict", "list"],
)
def test_a_cache_that_fills_inside_a_container_modifies_nothing(wrap):
    def label(item):
        while not isinstance(item, Order):
            item = item["order"] if isinstance(item, dict) else item[-1]
        return item.label

    assert reason_of(Lab(), [label], [wrap(Order(1)), wrap(Order(2))]) == ""


class Node:
    def __init__(self, parent=None) -> None:
        self.parent, self.children = parent, []
        if parent is not None:
            parent.children.append(self)

    @functools.cached_property
    def size(self) -> int:
        return 1 + sum(each.size for each in self.children)


def test_a_tree_whose_nodes_know_their_parents_may_fill_caches_too():
    root = Node()
    Node(Node(root))
    assert reason_of(Lab(), [Stage(lambda node: node.size, name="size")], [root]) == ""


def test_lists_that_are_read_anew_may_be_modified():
    class Lines:
        def __iter__(self):
            yield from ([1], [2])

    def extend(line):
        line.append(3)
        return len(line)

    assert reason_of(Lab(), [extend], Lines()) == ""


def test_a_source_that_reads_ahead_does_not_shift_what_was_returned():
    def double(value):
        return [2 * value]

    result = compare(
        [double],
        lambda: iter(range(40)),
        baseline=Threads("one"),
        executors=["threads"],
        mode="off",
    )
    assert [each for each in result.findings if each.verdict is Verdict.INVALID] == []


def test_teardown_follows_executions_alone():
    made: list[int] = []

    def produce(item):
        made.append(item)
        return item

    assert reason_of(Lab(), [produce], [1], teardown=lambda: made.remove(1)) == ""
    assert reason_of(Lab(), [produce], lambda: iter([1]), teardown=lambda: made.remove(1)) == ""


def test_items_that_fail_here_and_there_alone_are_no_wrong_outputs():
    lab = Lab()

    def flaky(item):
        if item == (lab.machine.running == "threads"):
            raise OSError
        return item

    limit = error_rate(0.9)
    assert reason_of(lab, [flaky], [0, 1], requirements=[limit]) == ""


def test_a_coroutine_is_refused_where_errors_are_collected_too():
    async def fetch(item):
        return item

    with pytest.raises(UsageError, match="returned a coroutine"):
        Lab().compare([lambda item: fetch(item + 0)], requirements=[error_rate(0.5)])
