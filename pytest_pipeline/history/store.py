"""The history file: read, and appended to in one transaction per session.

The journal is SQLite's ordinary one, not WAL: WAL needs memory that all writers share, which a network disk
does not give, and a file written once per session gains nothing from it. Two sessions that end together write
one after the other.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pytest_pipeline.errors import HistoryError
from pytest_pipeline.history.tables import COLUMNS, KEEP, MIGRATIONS, migrate, prune, version_of
from pytest_pipeline.model.history import Record

PATIENCE_S = 5.0
"""Seconds to wait for another session that is writing."""

_SELECTED = ", ".join(f'"{name}"' for name in COLUMNS)
_INSERT = f"INSERT INTO records ({_SELECTED}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608 - names of our own fields

Series = tuple[str, int, str]
"""Test, run and executor."""


def append(path: Path, records: Sequence[Record], *, patience_s: float = PATIENCE_S) -> None:
    """Write the `records` of one session, all or none; makes the file, and drops what is too old.

    Raises `HistoryError` naming file and cause.
    """
    if not records:
        return
    with _opened(path, "rwc", patience_s) as connection:
        connection.execute("BEGIN IMMEDIATE")
        migrate(connection, path)
        rows = [tuple(getattr(record, name) for name in COLUMNS) for record in records]
        connection.executemany(_INSERT, rows)
        prune(connection, dict.fromkeys(record.series for record in records))
        connection.execute("COMMIT")


def read(
    path: Path, series: Iterable[Series], *, patience_s: float = PATIENCE_S
) -> dict[Series, list[Record]]:
    """Return the last records of each of the `series`, oldest first; none of a file that is not there.

    Raises `HistoryError` naming file and cause.
    """
    found: dict[Series, list[Record]] = {key: [] for key in series}
    if not path.exists():
        return found
    with _opened(path, "rw", patience_s) as connection:
        if version_of(connection, path) == 0:
            return found
        for key in found:
            rows = connection.execute(
                f"SELECT {_SELECTED} FROM records WHERE nodeid = ? AND run = ? AND executor = ? ORDER BY id DESC LIMIT ?",  # noqa: S608 - names of our own fields
                (*key, KEEP),
            )
            found[key] = [_record(row) for row in rows][::-1]
    return found


def matching(path: Path, words: str, *, patience_s: float = PATIENCE_S) -> list[Series]:
    """Return the series whose test id contains `words`, by name; raises `HistoryError`."""
    if not path.exists():
        raise HistoryError(f"there is no history at {path}")
    with _opened(path, "rw", patience_s) as connection:
        if version_of(connection, path) == 0:
            return []
        rows = connection.execute(
            "SELECT DISTINCT nodeid, run, executor FROM records WHERE instr(nodeid, ?) ORDER BY 1, 2, 3",
            (words,),
        )
        return [(str(nodeid), int(run), str(executor)) for nodeid, run, executor in rows]


@contextmanager
def _opened(path: Path, mode: str, patience_s: float) -> Iterator[sqlite3.Connection]:
    """Open the file and bring it to the present version where that is needed; errors get words."""
    try:
        if mode == "rwc":
            path.parent.mkdir(parents=True, exist_ok=True)
        uri = f"{path.absolute().as_uri()}?mode={mode}"
        connection = sqlite3.connect(uri, uri=True, timeout=patience_s, isolation_level=None)
    except (OSError, sqlite3.Error) as error:
        raise HistoryError(_words(path, error, patience_s)) from error
    try:
        _upgrade(connection, path)
        yield connection
    except sqlite3.Error as error:
        raise HistoryError(_words(path, error, patience_s)) from error
    finally:
        connection.close()  # rolls an open transaction back


def _upgrade(connection: sqlite3.Connection, path: Path) -> None:
    if version_of(connection, path) not in {0, len(MIGRATIONS)}:
        connection.execute("BEGIN IMMEDIATE")
        migrate(connection, path)
        connection.execute("COMMIT")


def _record(row: Sequence[Any]) -> Record:
    values = dict(zip(COLUMNS, row, strict=True))
    return Record(**{**values, "is_dirty": bool(values["is_dirty"])})


def _words(path: Path, error: Exception, patience_s: float) -> str:
    """Return a sentence with file and cause."""
    said = str(error)
    if "locked" in said:
        return f"{path} stayed locked by another session for {patience_s:g} s"
    if "not a database" in said or "malformed" in said:
        return f"{path} is damaged or no SQLite file ({said}): move it away, and the next session begins a new one"
    if "readonly" in said or "read-only" in said:
        return f"{path} may not be written to ({said})"
    if "unable to open" in said:
        return f"{path} cannot be made or written to here ({said})"
    return f"{path}: {said}"
