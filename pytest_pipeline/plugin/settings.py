"""What the user configured: values of the options, checked and converted.

Imported only when an option is given or a test measures: most sessions need neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Generic, TypeVar

import pytest

from pytest_pipeline.errors import UsageError
from pytest_pipeline.model.units import parse_seconds
from pytest_pipeline.plugin.names import PROVISIONAL_EXECUTORS, check_executor_name
from pytest_pipeline.plugin.options import OPTIONS, Option, find

T = TypeVar("T")

OFF = "off"
"""Path value that means: write nothing."""

_NOT_LOADED = " (or its conftest.py is not loaded yet: put the hook in the root conftest.py)"
"""The other cause of an unknown executor on the command line."""


class Policy(StrEnum):
    """What an inconclusive gate does to its test."""

    SKIP = "skip"
    FAIL = "fail"
    PASS = "pass"  # noqa: S105 - a policy, not a password


class Charts(StrEnum):
    """Which tests have charts in the HTML report."""

    AUTO = "auto"
    ALL = "all"


class Lock(StrEnum):
    """Whom a measuring test keeps away while it runs; `plugin.shared` acts on it."""

    RUN = "run"
    MACHINE = "machine"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Choice(Generic[T]):
    """A value that a call or a marker may override, unless the command line gave it."""

    value: T | None = None
    """None when neither the command line nor the ini file says anything."""
    is_forced: bool = False
    """True when it comes from the command line."""

    def over(self, *lower: T | None) -> T | None:
        """Return the winner: command line, then `lower` in order (call, marker), then ini."""
        if self.is_forced:
            return self.value
        return next((each for each in lower if each is not None), self.value)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user configured for this session."""

    report: Path | None = None
    """Where the HTML report goes; None: only after a non-pass, into the cache directory."""
    is_report_off: bool = False
    """True: no HTML report is written at all."""
    charts: Charts = Charts.AUTO
    """Whether a large report leaves charts out."""
    json: Path | None = None
    """Where the JSON document goes."""
    markdown: Path | None = None
    """Where the Markdown goes."""
    trace: Path | None = None
    """Directory for the Trace Event files."""
    history: Path | None = None
    """SQLite file that sessions are kept in; None: no history."""
    executors: Choice[tuple[str, ...]] = Choice()
    """Arms to run."""
    inconclusive: Policy = Policy.SKIP
    """What an inconclusive gate does."""
    min_decided: float = 0.0
    """Least share of decided gates, 0-1."""
    require: tuple[str, ...] = ()
    """Executors that must be able to run here."""
    budget_s: Choice[float] = Choice()
    """Seconds for one comparison."""
    lock: Lock = Lock.RUN
    """Whom measuring tests keep away."""
    is_off: bool = False
    """Run each arm once, measure nothing."""


SETTINGS = pytest.StashKey[Settings]()
"""Where `config.stash` keeps the session's settings."""


def settings_of(config: pytest.Config) -> Settings:
    """Return the session's settings; the first call reads and checks them."""
    if SETTINGS not in config.stash:
        config.stash[SETTINGS] = read_settings(config)
    return config.stash[SETTINGS]


def read_settings(config: pytest.Config) -> Settings:
    """Return the validated settings; raises `pytest.UsageError` naming option, value and choices."""
    found = {option.name: _Found(option, *find(config, option)) for option in OPTIONS}
    report, is_report_off = _path(config, found["report"])
    executors = _executors(config, found["executors"])
    return Settings(
        report=report,
        is_report_off=is_report_off,
        charts=found["charts"].read(lambda raw: _member(Charts, raw)) or Charts.AUTO,
        json=_path(config, found["json"])[0],
        markdown=_path(config, found["markdown"])[0],
        trace=_path(config, found["trace"])[0],
        history=_path(config, found["history"])[0],
        executors=Choice(executors or None, is_forced=found["executors"].is_forced),
        inconclusive=found["inconclusive"].read(lambda raw: _member(Policy, raw)) or Policy.SKIP,
        min_decided=found["min-decided"].read(_share) or 0.0,
        require=_executors(config, found["require"]),
        budget_s=Choice(found["budget"].read(_seconds), is_forced=found["budget"].is_forced),
        lock=found["lock"].read(lambda raw: _member(Lock, raw)) or Lock.RUN,
        is_off=found["off"].raw in {"true", True},
    )


@dataclass(frozen=True, slots=True)
class _Found:
    option: Option
    raw: Any
    is_forced: bool

    def read(self, convert: Callable[[Any], T]) -> T | None:
        if self.raw is None:
            return None
        try:
            self._check_kind()
            return convert(self.raw)
        except UsageError as problem:
            where = self.option.flag if self.is_forced else f"ini option {self.option.key}"
            raise pytest.UsageError(f"{where}: {problem}") from None

    def _check_kind(self) -> None:
        """Refuse what TOML can hold and an option cannot: pytest passes lists of any table on as they are."""
        if self.option.kind is None and not isinstance(self.raw, str):
            kind = type(self.raw).__name__
            raise UsageError(
                f"{self.raw!r} is a {kind}: expected one text, {self.option.metavar}: write it without brackets"
            )


def _path(config: pytest.Config, found: _Found) -> tuple[Path | None, bool]:
    """Resolve a path: typed ones against the shell's directory, configured ones against rootdir."""
    given = found.read(_path_text)
    if given is None:
        return None, False
    if given == OFF:
        return None, True
    base = config.invocation_params.dir if found.is_forced else config.rootpath
    return base / Path(given).expanduser(), False


def _path_text(raw: str) -> str:
    if not raw.strip():
        raise UsageError("expected a path, found none")
    return raw


def _executors(config: pytest.Config, found: _Found) -> tuple[str, ...]:
    """Return names; unknown ones of the ini file too, for sessions that do not load the conftest.py with their hook."""

    def convert(raw: str | Iterable[str]) -> tuple[str, ...]:
        names = _names(raw)
        for name in names:
            if found.is_forced or name in PROVISIONAL_EXECUTORS:
                check_executor_name(config, name, hint=_NOT_LOADED)
        return names

    return found.read(convert) or ()


def _names(raw: str | Iterable[Any]) -> tuple[str, ...]:
    """Return the names in the order in which they are given."""
    parts = [raw] if isinstance(raw, str) else list(raw)
    strange = [part for part in parts if not isinstance(part, str)]
    if strange:
        raise UsageError(f"{strange[0]!r} is not a name: expected names of executors, as text")
    names = [name.strip() for part in parts for name in part.split(",")]
    kept = tuple(dict.fromkeys(name for name in names if name))
    if not kept:
        raise UsageError("expected executor names separated by commas, found none")
    return kept


def _member(choices: type[StrEnum], raw: str) -> Any:
    try:
        return choices(raw.strip())
    except ValueError:
        expected = ", ".join(each.value for each in choices)
        raise UsageError(f"{raw!r} is not one of: {expected}") from None


def _share(raw: str) -> float:
    text = raw.strip()
    try:
        share = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise UsageError(f'{raw!r} is not a share: write 0.9 or "90%" (0 to 1)')
    return share


def _seconds(raw: str) -> float:
    try:
        return parse_seconds(float(raw), what="budget")
    except ValueError:
        return parse_seconds(raw, what="budget")
