"""Which items are taken where they are needed, and which by a thread that may wait for them."""

from __future__ import annotations

from collections import OrderedDict, UserDict, deque

import numpy as np
import pytest

from pytest_pipeline.errors import UsageError
from pytest_pipeline.measure.items import make_source


class Reader:
    """Reads its items anew each time, as a `DataLoader` does."""

    def __len__(self) -> int:
        return 2

    def __iter__(self):
        yield from (1, 2)


@pytest.mark.parametrize(
    "items",
    [
        [1, 2],
        (1, 2),
        range(2),
        {1: "a"},
        {1: "a"}.values(),
        OrderedDict(a=1).items(),
        deque([1]),
        np.arange(2),
    ],
    ids=lambda items: type(items).__name__,
)
def test_items_in_memory_need_no_thread(items):
    source = make_source(items)
    assert not source.may_wait
    assert list(source.factory()) == list(items)


class Stored(UserDict):
    """A mapping that reads a file, as a group of h5py does."""


class Chunked(Reader):
    """An array on disk, as one of zarr."""

    def __array__(self):
        return np.array([1, 2])


@pytest.mark.parametrize(
    "items",
    [Reader(), Reader, Chunked(), Stored(a=1, b=2).values()],
    ids=["read anew", "a callable", "an array on disk", "values on disk"],
)
def test_items_that_are_read_may_wait(items):
    source = make_source(items)
    assert source.may_wait
    assert list(source.factory()) == [1, 2]
    assert source.is_timed is callable(items), "only a callable is a stage of its own"


def test_a_frame_would_give_its_column_names_and_is_refused_with_the_ways_out():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1, 2]})
    with pytest.raises(UsageError, match="column names: pass pieces"):
        make_source(frame)
    assert not make_source(frame["a"]).may_wait
