"""Items of other types or sizes are other work for the history; other values are not."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys

import numpy as np
import pytest
from unit.virtual import Lab

from pytest_pipeline.measure.checks import item_kinds
from pytest_pipeline.measure.checks.item_kinds import ItemKinds


@dataclasses.dataclass
class Order:
    name: str
    lines: list


@dataclasses.dataclass
class Foreign:
    shape: int = dataclasses.field(init=False)  # never set: reading it raises


def mark(*items):
    kinds = ItemKinds()
    for item in items:
        kinds.add(item)
    return kinds.mark


@pytest.mark.parametrize(
    ("items", "others"),
    [
        ([1, 2], [1, 2, 3]),
        ([1, 2], [1, 2.0]),
        ([b"12"], [b"123"]),
        (["x" * 300], ["x" * 301]),
        ([np.zeros((2, 3))], [np.zeros((3, 2))]),
        ([np.zeros(3, dtype="f4")], [np.zeros(3, dtype="f8")]),
        ([[1, 2]], [[1, 2, 3]]),
        ([[np.zeros(3)]], [[np.zeros(4)]]),
        ([{"a": b"1"}], [{"a": b"12"}]),
        ([Order("a", [1])], [Order("a", [1, 2])]),
        ([[0] * 1000], [[0] * 1001]),
        ([{1, 2}], [{1, 2, 3}]),
    ],
)
def test_more_larger_or_other_items_are_other_work(items, others):
    assert mark(*items) != mark(*others)


@pytest.mark.parametrize(
    ("items", "others"),
    [
        ([1, 2.5, "a", None], [3, 4.5, "b", None]),
        (["/tmp/pytest-9/x"], ["/tmp/pytest-10/x"]),
        ([np.zeros(3)], [np.ones(3)]),
        ([{"a": 1, "b": "x"}], [{"b": "x", "a": 1}]),
        ([Order("a", [1])], [Order("b", [2])]),
        ([Foreign()], [Foreign()]),
    ],
)
def test_other_values_of_the_same_kind_are_the_same_work(items, others):
    assert mark(*items) == mark(*others)


def test_without_items_there_is_no_mark():
    assert mark() == ""


def test_a_value_that_holds_itself_ends():
    item = []
    item.append(item)
    assert mark(item)


def test_only_so_many_parts_are_looked_at(monkeypatch):
    looked = []
    monkeypatch.setattr(ItemKinds, "_size", lambda self, value, levels: looked.append(value) or "")
    mark(*range(item_kinds.MOST_PARTS + 5))
    assert len(looked) == item_kinds.MOST_PARTS


def test_every_process_gives_the_same_mark():
    code = (
        "from pytest_pipeline.measure.checks.item_kinds import ItemKinds; kinds = ItemKinds();"
        "[kinds.add(each) for each in ({'a', 'bc', 'd'}, {'x': frozenset('abc'), 'y': 1}, object())];"
        "print(kinds.mark)"
    )
    marks = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(marks) == 1


@pytest.mark.parametrize("as_items", [list, lambda items: lambda: iter(items)])
def test_a_comparison_tells_the_history_what_its_items_were_like(as_items):
    marks = [
        Lab().compare(items=as_items(items), mode="off").notes["workload"]["items"]
        for items in ([b"12"] * 4, [b"34"] * 4, [b"123"] * 4)
    ]
    assert marks[0] == marks[1] != marks[2]
