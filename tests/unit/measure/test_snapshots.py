"""An item that was modified is told from one that filled a cache; an output that is written to later, from one that stays."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from unit.virtual import Lab, error_rate, speedup

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
    assert "return a copy" in finding.headline


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
