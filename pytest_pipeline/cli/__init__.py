"""The command `pytest-pipeline`: one module per subcommand; each imports what is heavy when it runs."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
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
    _escape_what_the_terminal_cannot_show()
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
    return _run(modules[options.command], options)


def _run(command: ModuleType, options: argparse.Namespace) -> int:
    try:
        status: int = command.run(options)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        # Python flushes once more at its end, which must not meet the closed pipe again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status


def _escape_what_the_terminal_cannot_show() -> None:
    """Write an escape for a letter that an ASCII terminal or log lacks, instead of dying of it."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
