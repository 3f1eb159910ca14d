"""The history gives back what it was given, whatever tests are called and however much was measured."""

from __future__ import annotations

import dataclasses
import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from pytest_pipeline.errors import HistoryError
from pytest_pipeline.history import store
from pytest_pipeline.model.history import Record

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
"""All but lone surrogates: SQLite keeps UTF-8, which has none."""
BY_TYPE = {
    "str": TEXT,
    "bool": st.booleans(),
    "int": st.integers(0, 2**62),
    "float | None": st.none() | st.floats(allow_nan=False),
}
RECORDS = st.builds(
    Record,
    **{field.name: BY_TYPE[field.type] for field in dataclasses.fields(Record)}
    | {"nodeid": st.sampled_from(["a", "a'; --", "b[é\0]"]), "run": st.integers(0, 1)},
)


@st.composite
def sessions(draw):
    """Return the records of a few sessions: each test, run and executor at most once in each."""
    count = draw(st.integers(1, 3))
    drawn = [
        draw(st.lists(RECORDS, max_size=4, unique_by=lambda each: each.series))
        for _ in range(count)
    ]
    return [
        [dataclasses.replace(each, session=f"session {number}") for each in records]
        for number, records in enumerate(drawn)
    ]


@settings(max_examples=30)
@given(sessions())
def test_every_record_comes_back_as_it_was_oldest_first(written):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "history.sqlite"
        for records in written:
            store.append(path, records)
        everything = [each for records in written for each in records]
        expected = {each.series: [] for each in everything}
        for each in everything:
            expected[each.series].append(each)
        assert store.read(path, expected) == expected
        if everything:
            assert set(store.matching(path, "")) == set(expected)


@settings(max_examples=15)
@given(sessions(), st.lists(RECORDS, min_size=1, max_size=3))
def test_a_session_that_cannot_be_written_leaves_the_file_as_it_was(written, broken):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "history.sqlite"
        for records in written:
            store.append(path, records)
        before = _dump(path)
        twice = [dataclasses.replace(each, session="twice") for each in broken]
        with pytest.raises(HistoryError, match="UNIQUE"):
            store.append(path, [*twice, twice[0]])
        assert _dump(path) == before


def _dump(path):
    connection = sqlite3.connect(path)
    dumped = list(connection.iterdump())
    connection.close()
    return dumped
