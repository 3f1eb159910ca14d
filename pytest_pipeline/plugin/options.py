"""One table of options: `--pipeline-X` on the command line, `pipeline_X` in the ini file.

Imported at every start of pytest: named tuples, because dataclasses take milliseconds to make.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest


class Option(NamedTuple):
    """One row of the table."""

    name: str
    """As on the command line, without `--pipeline-`."""
    metavar: str
    """Placeholder in `--help`; empty for a switch."""
    help: str
    """One sentence."""
    kind: Any = None
    """Type of the ini value: None for text, `args` for lists, `bool` for switches."""
    default: str = ""
    """What holds when it is not given, in words; empty: nothing happens."""

    @property
    def flag(self) -> str:
        """Return the spelling on the command line."""
        return f"--pipeline-{self.name}"

    @property
    def key(self) -> str:
        """Return the spelling in the ini file, also argparse's destination."""
        return f"pipeline_{self.name.replace('-', '_')}"

    @property
    def description(self) -> str:
        """Return the line of `pytest --help`."""
        return f"{self.help} (default: {self.default})" if self.default else self.help


OPTIONS = (
    Option(
        "report",
        "PATH",
        "write the HTML report there; 'off' writes none, whatever happens",
        default="only after a non-pass, in pytest's cache directory",
    ),
    Option(
        "charts",
        "auto|all",
        "draw the charts of every test, or leave some out to keep a large HTML report small",
        default="auto",
    ),
    Option("json", "PATH", "write the results there as JSON (schema pytest-pipeline/1)"),
    Option("markdown", "PATH", "write the results there as Markdown"),
    Option("trace", "DIR", "write one Trace Event file per test there, for Perfetto or speedscope"),
    Option(
        "history",
        "PATH|off",
        "keep the results in this SQLite file, and show what changed since earlier sessions",
        default="off",
    ),
    Option(
        "executors",
        "NAMES",
        "compare these executors, whatever the tests ask for",
        "args",
        default="what the test asks for, else threads",
    ),
    Option("inconclusive", "skip|fail|pass", "what an inconclusive gate does", default="skip"),
    Option("min-decided", "SHARE", "fail the session when fewer gates were decided, e.g. 0.9"),
    Option("require", "NAMES", "fail, not skip, when these executors cannot run here", "args"),
    Option("budget", "TIME", "time to measure one comparison, e.g. 30s", default="30s"),
    Option(
        "lock",
        "run|machine|off",
        "measuring tests are alone: among the workers of this run, on this machine, not at all",
        default="run",
    ),
    Option("off", "", "run each arm once and compare outputs, measure nothing", "bool"),
)

LOCK = next(option for option in OPTIONS if option.name == "lock")
"""Asked for in every xdist worker, before the settings are read."""

OFF_SWITCH = next(option for option in OPTIONS if option.name == "off")
"""The same."""


def add_options(parser: pytest.Parser) -> None:
    """Register the table with pytest."""
    group = parser.getgroup("pipeline", "parallelism regression testing (pytest-pipeline-speedup)")
    for option in OPTIONS:
        text = option.description.replace("%", "%%")
        if option.kind == "bool":
            group.addoption(
                option.flag, dest=option.key, action="store_const", const="true", help=text
            )
        else:
            group.addoption(option.flag, dest=option.key, metavar=option.metavar, help=text)
        parser.addini(option.key, option.description, type=option.kind, default=None)


def find(config: pytest.Config, option: Option) -> tuple[Any, bool]:
    """Return the raw value, or None when it is not given, and whether the command line gave it."""
    given = config.getoption(option.key, default=None)
    if given is not None:
        return given, True
    ini = _ini_value(config, option)
    return (None if ini in ("", []) else ini), False


def _ini_value(config: pytest.Config, option: Option) -> Any:
    """Return what pytest makes of the ini file; its own message may name neither the option nor what it takes."""
    try:
        return config.getini(option.key)
    except (ValueError, TypeError, pytest.UsageError) as problem:
        accepted = "; write true or false" if option.kind == "bool" else ""
        raise pytest.UsageError(f"ini option {option.key}: {problem}{accepted}") from None


def is_any_given(config: pytest.Config) -> bool:
    """Return True when there is something to read, and so something that may be wrong."""
    return any(find(config, option)[0] is not None for option in OPTIONS)
