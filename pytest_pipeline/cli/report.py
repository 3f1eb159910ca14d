"""`pytest-pipeline report`: one HTML page from the JSON files of several sessions, such as CI shards."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HELP = "make one report from JSON files (--pipeline-json) of one or several sessions"

NOTHING = 2
"""Exit status when no file could be read, or the report could not be written."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="JSON written by --pipeline-json")
    parser.add_argument("-o", "--output", required=True, metavar="PATH", help="the HTML report")
    parser.add_argument("--json", metavar="PATH", help="also write the merged JSON there")
    parser.add_argument("--markdown", metavar="PATH", help="also write a Markdown summary there")
    parser.add_argument(
        "--charts",
        choices=["auto", "all"],
        default="auto",
        help="draw the charts of every test, or leave some out to keep a large report small",
    )


def run(options: argparse.Namespace) -> int:
    """Merge and write; a file that cannot be read is named on standard error and in the report.

    Returns 0, also when some files were unreadable; `NOTHING` when all were or a file cannot be written.
    """
    from pytest_pipeline.report import html, json_file, markdown
    from pytest_pipeline.report.merge import merge

    documents, problems = _read(options.files)
    for problem in problems:
        sys.stderr.write(f"pytest-pipeline report: left out: {problem}\n")
    if not documents:
        return NOTHING
    merged = merge(documents, unreadable=[f"left out: {problem}" for problem in problems])
    try:
        html.write(merged, options.output, all_charts=options.charts == "all")
        if options.json:
            json_file.write(merged, options.json)
        if options.markdown:
            json_file.write_text(markdown.render(merged), options.markdown)
    except OSError as error:
        sys.stderr.write(f"pytest-pipeline report: {error}\n")
        return NOTHING
    sys.stdout.write(f"wrote {options.output}: {_counted(merged, documents)}\n")
    return 0


def _read(files: Sequence[str]) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Return the documents by a short name each, and a sentence for every file that is none."""
    from pytest_pipeline.report.json_file import read

    documents: dict[str, dict[str, Any]] = {}
    problems = []
    for file, name in zip(files, _names(files), strict=True):
        try:
            documents[name] = read(file)
        except (OSError, ValueError) as error:
            problems.append(str(error))
    return documents, problems


def _names(files: Sequence[str]) -> list[str]:
    """Return the files' names, or their paths when names repeat: artifacts are often all called alike."""
    names = [Path(file).name for file in files]
    return list(files) if len(set(names)) < len(names) else names


def _counted(merged: dict[str, Any], documents: dict[str, dict[str, Any]]) -> str:
    from pytest_pipeline.report.gate_counts import count_gates

    tests, files = len(merged["tests"]), len(documents)
    return (
        f"{tests} test{'s' * (tests != 1)} of {files} file{'s' * (files != 1)}, "
        f"{count_gates(merged).text}"
    )
