"""`pytest-pipeline history`: the last sessions of a test, from the file that --pipeline-history names."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_pipeline.model.history import Record

HELP = "print the last sessions of the tests in a history file (--pipeline-history)"

NOTHING = 2
"""Exit status when the file cannot be read or holds no such test."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("test", nargs="?", default="", help="part of a test id (default: all)")
    parser.add_argument(
        "--file",
        default="pipeline-history.sqlite",
        metavar="PATH",
        help="what --pipeline-history named (default: pipeline-history.sqlite)",
    )
    parser.add_argument("--last", type=int, default=10, metavar="N", help="sessions (default: 10)")


def run(options: argparse.Namespace) -> int:
    """Print one table per test, run and executor; 0, or `NOTHING`."""
    from pytest_pipeline.errors import HistoryError
    from pytest_pipeline.history.store import matching, read

    path = Path(options.file)
    try:
        series = read(path, matching(path, options.test))
    except HistoryError as error:
        sys.stderr.write(f"pytest-pipeline history: {error}\n")
        return NOTHING
    if not series:
        sys.stderr.write(f"pytest-pipeline history: {path} has no test like {options.test!r}\n")
        return NOTHING
    for records in series.values():
        sys.stdout.write("\n".join(_table(records, max(1, options.last))) + "\n\n")
    return 0


def _table(records: Sequence[Record], last: int) -> list[str]:
    from pytest_pipeline.history.since import changes_of
    from pytest_pipeline.model.document import to_plain
    from pytest_pipeline.report.changes import since_sentence
    from pytest_pipeline.report.text import one_line

    present = records[-1]
    title = f"{present.nodeid} ({present.executor})"
    title += f", run {present.run + 1}" if present.run else ""
    rows = [_row(each, present) for each in records[-last:]]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [one_line(title)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append(f"  {'  '.join(cells)}".rstrip())
    changes = [each for each in changes_of(records[:-1], present) if each.is_changed]
    return [*lines, *(f"  {since_sentence(to_plain(each))}" for each in changes)]


def _row(record: Record, present: Record) -> tuple[str, ...]:
    from pytest_pipeline.report import units
    from pytest_pipeline.report.facts import readable_time
    from pytest_pipeline.report.text import one_line

    return (
        readable_time(record.created),
        one_line(record.commit)[:12] + ("+" if record.is_dirty else ""),
        one_line(record.branch)[:20],
        units.ratio(record.speedup),
        units.interval(record.speedup_lower, record.speedup_upper, "x"),
        units.seconds(record.makespan_s),
        f"p99 {units.seconds(record.p99_s)}",
        record.verdict,
        "" if record.is_like(present) else _other(record, present),
    )


def _other(record: Record, present: Record) -> str:
    return "other machine" if record.machine != present.machine else "other workload"
