"""The tables of the history file, version by version, and how it is kept from growing for ever."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from pytest_pipeline.errors import HistoryError
from pytest_pipeline.model.history import Record

APPLICATION = 0x70_70_6C_68
"""SQLite's application id: `pplh`. A database of another program is never written to."""

COLUMNS = tuple(field.name for field in dataclasses.fields(Record))

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE records (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            session TEXT NOT NULL, created TEXT NOT NULL,
            "commit" TEXT NOT NULL, branch TEXT NOT NULL, is_dirty INTEGER NOT NULL,
            nodeid TEXT NOT NULL, run INTEGER NOT NULL, executor TEXT NOT NULL,
            machine TEXT NOT NULL, machine_text TEXT NOT NULL, workload TEXT NOT NULL,
            speedup REAL, speedup_lower REAL, speedup_upper REAL,
            makespan_s REAL, baseline_s REAL,
            p99_s REAL, p99_lower_s REAL, p99_upper_s REAL, throughput_per_s REAL,
            verdict TEXT NOT NULL, verdicts TEXT NOT NULL,
            clean_rounds INTEGER NOT NULL, dirty_rounds INTEGER NOT NULL,
            control_efficiency REAL,
            UNIQUE (session, nodeid, run, executor)
        )""",
        "CREATE INDEX series ON records (nodeid, run, executor, id)",
    ),
)
"""Statements that lead from version k to k + 1; a step that was released is never changed."""

KEEP = 500
"""Records of one test, run and executor; older ones go first."""

KEEP_IN_ALL = 100_000
"""Records of all: about 50 MB."""


def version_of(connection: sqlite3.Connection, path: Path) -> int:
    """Return the version of the tables, 0 for an empty file; raises `HistoryError` for what is not ours."""
    application = _number(connection, "PRAGMA application_id")
    tables = _number(connection, "SELECT count(*) FROM sqlite_master")
    if application != APPLICATION and (application or tables):
        raise HistoryError(f"{path} is a database of another program: name another file")
    version = _number(connection, "PRAGMA user_version")
    if version > len(MIGRATIONS):
        raise HistoryError(
            f"{path} was written by a newer pytest-pipeline (its tables have version {version}, this one knows {len(MIGRATIONS)}): upgrade, or name another file"
        )
    return version


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the tables to the present version, inside the caller's transaction."""
    version = version_of(connection, path)
    for number, statements in enumerate(MIGRATIONS[version:], start=version + 1):
        for statement in statements:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {number}")
        connection.execute(f"PRAGMA application_id = {APPLICATION}")


def prune(connection: sqlite3.Connection, series: Iterable[tuple[str, int, str]]) -> None:
    """Drop the oldest records of `series`, and of all, beyond what is kept."""
    for key in series:
        connection.execute(
            "DELETE FROM records WHERE nodeid = ? AND run = ? AND executor = ? AND id <= ("
            "SELECT id FROM records WHERE nodeid = ? AND run = ? AND executor = ? "
            "ORDER BY id DESC LIMIT 1 OFFSET ?)",
            (*key, *key, KEEP),
        )
    connection.execute(
        "DELETE FROM records WHERE id <= (SELECT id FROM records ORDER BY id DESC LIMIT 1 OFFSET ?)",
        (KEEP_IN_ALL,),
    )


def _number(connection: sqlite3.Connection, statement: str) -> int:
    return int(connection.execute(statement).fetchone()[0])
