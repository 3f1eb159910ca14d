"""The history file: what goes in comes out, two sessions may write, and a bad file costs one message."""

from __future__ import annotations

import sqlite3

import pytest
from unit.history.records import record

from pytest_pipeline.errors import HistoryError
from pytest_pipeline.history import store, tables

KEY = record().series


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "history ?#%.sqlite"


def test_what_was_written_is_read_back_oldest_first(path):
    written = [record(0, is_dirty=True), record(1, speedup=None), record(2, branch="é '; --")]
    for each in written:
        store.append(path, [each])
    assert store.read(path, [KEY]) == {KEY: written}


def test_a_file_that_is_not_there_is_an_empty_history_and_is_not_made_by_reading(path):
    assert store.read(path, [KEY]) == {KEY: []}
    store.append(path, [])
    assert not path.exists()


def test_while_another_session_writes_the_message_says_so_and_later_both_are_there(path):
    store.append(path, [record(0)])
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(HistoryError, match="stayed locked by another session for 0 s"):
        store.append(path, [record(1)], patience_s=0)
    other.execute("COMMIT")
    other.close()
    store.append(path, [record(2)], patience_s=0)
    assert [each.session for each in store.read(path, [KEY])[KEY]] == ["session 0", "session 2"]


def test_a_session_is_written_whole_or_not_at_all(path):
    with pytest.raises(HistoryError, match="NOT NULL"):
        store.append(path, [record(0), record(1, branch=None)])
    assert store.read(path, [KEY]) == {KEY: []}


def test_on_a_full_disk_what_was_there_stays_and_the_message_says_so(path, monkeypatch):
    store.append(path, [record(0)])
    connect = sqlite3.connect

    def connect_to_a_full_disk(*args, **options):
        connection = connect(*args, **options)
        connection.execute("PRAGMA max_page_count = 1")  # as many as there are: none more
        return connection

    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", connect_to_a_full_disk)
        with pytest.raises(HistoryError, match="disk is full"):
            store.append(path, [record(number) for number in range(1, 200)])
    assert store.read(path, [KEY]) == {KEY: [record(0)]}


@pytest.mark.parametrize("content", [b"no database at all", b"SQLite format 3\0" + b"\xff" * 4000])
def test_a_damaged_file_is_named_and_left_as_it_is(path, content):
    path.parent.mkdir()
    path.write_bytes(content)
    for use in (lambda: store.read(path, [KEY]), lambda: store.append(path, [record()])):
        with pytest.raises(HistoryError, match="is damaged or no SQLite file"):
            use()
    assert path.read_bytes() == content


def test_a_database_of_another_program_is_never_written_to(path):
    path.parent.mkdir()
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE theirs (id)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(HistoryError, match="database of another program"):
        store.append(path, [record()])
    assert path.read_bytes() == before


def test_a_newer_version_keeps_the_records_and_an_older_one_refuses_its_file(path, monkeypatch):
    store.append(path, [record(0)])
    newer = (*tables.MIGRATIONS, ("ALTER TABLE records ADD COLUMN mood TEXT",))
    with monkeypatch.context() as patch:
        patch.setattr(tables, "MIGRATIONS", newer)
        patch.setattr(store, "MIGRATIONS", newer)
        assert store.read(path, [KEY])[KEY] == [record(0)]
        store.append(path, [record(1)])
    with pytest.raises(HistoryError, match="newer pytest-pipeline"):
        store.append(path, [record(2)])


def test_the_file_does_not_grow_for_ever_and_the_oldest_go(path, monkeypatch):
    monkeypatch.setattr(tables, "KEEP", 3)
    other = record(9, nodeid="tests/test_other.py::test_c")
    store.append(path, [other])
    for number in range(5):
        store.append(path, [record(number)])
    kept = store.read(path, [KEY, other.series])
    assert [each.session for each in kept[KEY]] == ["session 2", "session 3", "session 4"]
    assert kept[other.series] == [other]
    monkeypatch.setattr(tables, "KEEP_IN_ALL", 2)
    store.append(path, [record(5)])
    kept = store.read(path, [KEY, other.series])
    assert ([len(each) for each in kept.values()]) == [2, 0]


def test_tests_are_found_by_a_part_of_their_name(path):
    store.append(path, [record(), record(nodeid="tests/test_x.py::test_100%_y", executor="cuda")])
    assert store.matching(path, "100%") == [("tests/test_x.py::test_100%_y", 0, "cuda")]
    assert len(store.matching(path, "")) == 2
