"""The live line while measuring: on a terminal only, and gone afterwards."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from pytest_pipeline.plugin.workers import is_worker

if TYPE_CHECKING:
    from pytest_pipeline.model.comparison import Comparison
    from pytest_pipeline.plugin.spool import Journal


_LEAST_ROOM = 20
"""Columns below which a text would say nothing."""


class LiveLine:
    """A text behind what pytest has written on the current line; taken back by backspaces.

    Written raw: otherwise pytest's writer would count it as part of the line and push the progress column
    aside.
    """

    def __init__(self, config: pytest.Config) -> None:
        manager = config.pluginmanager
        self._reporter = manager.getplugin("terminalreporter")  # None with -p no:terminal
        self._capture = manager.getplugin("capturemanager")
        self._config = config
        self._length = 0
        # Workers have a terminal reporter too; it writes into the void.
        self._is_live = (
            self._reporter is not None
            and not is_worker(config)
            and bool(getattr(self._reporter, "isatty", False))
        )

    def show(self, text: str) -> None:
        """Replace the text shown before."""
        if self._is_live:
            room = self._room()
            plain = " " + text.encode("ascii", "replace").decode("ascii")  # one column each
            self._replace(plain[:room] if room >= _LEAST_ROOM else "")

    def erase(self) -> None:
        """Leave the line as pytest wrote it."""
        if self._length:
            self._replace("")

    def _room(self) -> int:
        writer = self._config.get_terminal_writer()
        return int(writer.fullwidth - writer.width_of_current_line - 1)

    def _replace(self, text: str) -> None:
        back = "\b" * self._length
        self._length, blank = len(text), " " * self._length
        shown = f"{back}{blank}{back}{text}"
        writer = self._config.get_terminal_writer()  # `sys.stdout` may be a buffer of the test
        if self._capture is None:
            writer.write_raw(shown, flush=True)
            return
        outputs = sys.stdout, sys.stderr
        with self._capture.global_and_fixture_disabled():
            writer.write_raw(shown, flush=True)
        # Capture resumes with files of its own, where the test may have redirected both elsewhere.
        sys.stdout, sys.stderr = outputs


class RunObserver:
    """Hears `compare`: shows progress, and keeps what there is when it ends by an exception."""

    def __init__(self, live: LiveLine, journal: Journal | None = None) -> None:
        self._live = live
        self._journal = journal
        self.latest: Comparison | None = None
        """What `compare` last reported, complete or not."""

    def began(self, so_far: Callable[[], Comparison]) -> None:
        """Take the way to ask what has been measured so far."""
        if self._journal is not None:
            self._journal.began(so_far)

    def progress(self, text: str) -> None:
        """Show one short line about what is being measured now."""
        self._live.show(text)
        if self._journal is not None:
            self._journal.progress(text)

    def finished(self, comparison: Comparison) -> None:
        """Keep the result."""
        self.latest = comparison
