"""`pytest-pipeline doctor`: what this machine can measure, and what would be inconclusive here."""

from __future__ import annotations

import argparse
import sys

HELP = "say in about ten seconds what this machine can measure, and what would be inconclusive here"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--json", action="store_true", help="print the same as JSON")


def run(options: argparse.Namespace) -> int:
    """Examine the machine and print what was found; the exit status is 0 whatever that is."""
    from pytest_pipeline.cli.examine import examine
    from pytest_pipeline.cli.page import as_json, as_text

    checkup = examine()
    sys.stdout.write((as_json if options.json else as_text)(checkup) + "\n")
    return 0
