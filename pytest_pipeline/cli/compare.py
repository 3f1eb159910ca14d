"""`pytest-pipeline compare`: the JSON files of two sessions side by side, with the change in words."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_pipeline.report.side_by_side import Row

HELP = "print two sessions side by side, from their JSON files (--pipeline-json)"

NOTHING = 2
"""Exit status when a file cannot be read."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("first", metavar="A.json", help="the earlier session")
    parser.add_argument("second", metavar="B.json", help="the later session")


def run(options: argparse.Namespace) -> int:
    """Print the table; a change is no failure: the exit status is 0, or `NOTHING`."""
    from pytest_pipeline.report.json_file import read
    from pytest_pipeline.report.side_by_side import compare

    try:
        rows, notes = compare(read(options.first), read(options.second))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"pytest-pipeline compare: {error}\n")
        return NOTHING
    lines = [*_lines(rows), *notes] or ["nothing was measured in either file"]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _lines(rows: Sequence[Row]) -> list[str]:
    width = max((len(row.quantity) for row in rows), default=0)
    lines: list[str] = []
    title = ""
    for row in rows:
        if title != f"{row.test} ({row.executor})":
            title = f"{row.test} ({row.executor})"
            lines.append(title)
        lines.append(f"  {row.quantity.ljust(width)}  {row.before} -> {row.after}: {row.change}")
    return lines
