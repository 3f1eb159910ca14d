"""The hooks that keep measuring tests alone. Registered only where something can run beside them.

Around the whole protocol of a test, outermost: so waiting is outside pytest-timeout, durations and
JUnit times, set-up and teardown are covered, and so are all reruns of the test.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import pytest

from pytest_pipeline.plugin.alone.lock import Exclusivity
from pytest_pipeline.plugin.declaring.ownership import uses_our_fixtures
from pytest_pipeline.plugin.names import FIXTURES, TURNS

_OURS = frozenset(FIXTURES)

PLUGIN_NAME = "pipeline-exclusive"


class Exclusive:
    """Shared for ordinary tests, alone for those whose fixtures are ours."""

    def __init__(self, exclusivity: Exclusivity) -> None:
        self._exclusivity = exclusivity

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection(self) -> Generator[None, Any, Any]:
        """Share while importing: a worker that replaces a crashed one comes in the middle of a session."""
        try:
            self._exclusivity.share()
            return (yield)
        finally:
            self._exclusivity.leave()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Hold the place of this test from before its set-up until after its teardown."""
        exclusivity = self._exclusivity
        try:
            if _will_measure(item):
                exclusivity.be_alone()
            else:
                exclusivity.share()
            return (yield)
        finally:
            exclusivity.leave()

    def pytest_unconfigure(self) -> None:
        """Close the lock file."""
        self._exclusivity.close()

    def measuring(self) -> AbstractContextManager[str]:
        """Measure here; gives the reason why others may run at the same time, or an empty text."""
        return self._exclusivity.measuring()


def _will_measure(item: pytest.Item) -> bool:
    if _OURS.isdisjoint(getattr(item, "fixturenames", ())) or not uses_our_fixtures(item):
        return False
    return not _is_skipped(item)


def _is_skipped(item: pytest.Item) -> bool:
    """Return whether a marker skips `item`: nobody has to wait for that."""
    try:
        from _pytest.skipping import evaluate_skip_marks

        return evaluate_skip_marks(item) is not None
    except (Exception, pytest.fail.Exception):
        return False  # a name of pytest's own that has gone, or a bad condition, which fails the set-up


class Beside:
    """Stands where there should be a lock and is none: says why of every measurement."""

    def __init__(self, why: str) -> None:
        self._why = why

    def measuring(self) -> AbstractContextManager[str]:
        """Measure beside the others."""
        return nullcontext(self._why)


@contextmanager
def measuring(config: pytest.Config) -> Iterator[str]:
    """Measure alone, where anything could run beside; gives the reason when that is not granted.

    Threads of one process take turns: pytest-run-parallel calls a test in several at once.
    """
    plugin = config.pluginmanager.getplugin(PLUGIN_NAME)
    with (
        config.stash[TURNS],
        plugin.measuring() if plugin else nullcontext("") as company,
    ):
        yield company


def guard(config: pytest.Config) -> None:
    """Register the hooks where tests can run beside one another."""
    config.pluginmanager.register(_made(config), PLUGIN_NAME)


def _made(config: pytest.Config) -> Exclusive | Beside:
    from pytest_pipeline.plugin.alone.bytelocks import open_bell, open_locks
    from pytest_pipeline.plugin.shared import lock_path

    path = lock_path(config)
    if not path:
        return Beside("other tests ran at the same time: --pipeline-lock=off")
    try:
        return Exclusive(Exclusivity(open_locks(path), bell=open_bell(path)))
    except OSError as problem:
        return Beside(f"other tests may have run at the same time: no lock file ({problem})")
