"""The command `pytest-pipeline`: one module per subcommand; each imports what is heavy when it runs."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Sequence
from types import ModuleType

COMMANDS = {
    "compare": "pytest_pipeline.cli.compare",
    "doctor": "pytest_pipeline.cli.doctor",
    "history": "pytest_pipeline.cli.history",
    "report": "pytest_pipeline.cli.report",
}
"""Subcommand -> module with `HELP`, `add_arguments(parser)` and `run(options) -> exit status`."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit status; 2 for arguments that make no sense."""
    parser = argparse.ArgumentParser(
        prog="pytest-pipeline", description="Parallelism regression testing, outside pytest."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    modules: dict[str, ModuleType] = {}
    for name, path in COMMANDS.items():
        modules[name] = importlib.import_module(path)
        text: str = modules[name].HELP
        modules[name].add_arguments(commands.add_parser(name, help=text, description=text))
    options = parser.parse_args(argv)
    status: int = modules[options.command].run(options)
    return status
