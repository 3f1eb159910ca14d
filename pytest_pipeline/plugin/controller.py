"""The hooks of the process that counts, writes and prints: the only one without xdist, the controller with it.

A plugin object of its own, because workers hear the same hooks about their own tests.
"""

from __future__ import annotations

from typing import Any

import pytest

from pytest_pipeline.plugin.names import LOST_DEVICE, PROBLEM, RAISED_BY_HOOKS, RESULT, RESULTS
from pytest_pipeline.plugin.options import is_any_given


class Controller:
    """Registered by `pytest_configure` everywhere but in xdist workers."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._folder = ""

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell an xdist worker, before it starts, which folder it shares with the others."""
        from pytest_pipeline.plugin.shared import FOLDER, make_folder

        self._folder = self._folder or make_folder()
        node.workerinput[FOLDER] = self._folder

    def pytest_unconfigure(self) -> None:
        """Remove the folder."""
        if self._folder:
            import shutil

            shutil.rmtree(self._folder, ignore_errors=True)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Show a bad marker in the short summary.

        Not in workers: xdist recognises their repeated collection errors by equal, plain text.
        """
        if hasattr(report, PROBLEM):
            from pytest_pipeline.plugin.declaring.problems import show_problem

            show_problem(report)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the result off a report; an attribute, because that survives xdist."""
        if hasattr(report, RESULT):
            import json

            from pytest_pipeline.plugin.session import results_of

            results = results_of(self._config)
            results.add(json.loads(getattr(report, RESULT)))
            if report.failed:
                results.failed.append(report)

        if hasattr(report, LOST_DEVICE):
            from pytest_pipeline.plugin.session import results_of

            results_of(self._config).notices.append(getattr(report, LOST_DEVICE))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the report, also after `-x`, Ctrl-C or an internal error."""
        try:
            self._take_what_workers_lost()
            if self._has_something_to_say():
                from pytest_pipeline.plugin.ending.finish import finish

                finish(session)
        except RAISED_BY_HOOKS as problem:  # it would take pytest's own summary with it
            self._admit(session, problem)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the results."""
        if self._has_something_to_say():
            from pytest_pipeline.plugin.ending.finish import print_summary

            try:
                print_summary(terminalreporter, self._config)
            except RAISED_BY_HOOKS as problem:  # the same
                terminalreporter.line(f"pipeline: {_said(problem)}", yellow=True)

    def _take_what_workers_lost(self) -> None:
        """Add the results whose report never came: their worker died, or Ctrl-C ended it."""
        if not self._folder:
            return
        import os

        try:
            names = os.listdir(self._folder)  # noqa: PTH208 - asked in every xdist session: pathlib costs more
        except OSError:  # a test has emptied the temporary directory
            return
        # Cheap: asked in every xdist session. The lock file and its bell lie there, too.
        if all(name.startswith("lock") for name in names):
            return
        from pytest_pipeline.plugin.session import results_of
        from pytest_pipeline.plugin.spool import spooled

        results_of(self._config).add_lost(spooled(self._folder))

    def _has_something_to_say(self) -> bool:
        return RESULTS in self._config.stash or is_any_given(self._config)

    def _admit(self, session: pytest.Session, problem: BaseException) -> None:
        """Say it in the summary; a share of decided gates that nobody could count is not reached."""
        from pytest_pipeline.plugin.session import results_of
        from pytest_pipeline.plugin.settings import settings_of

        results_of(self._config).notices.append(_said(problem))
        if settings_of(self._config).min_decided and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _said(problem: BaseException) -> str:
    """Return one line about an error of our own, with the place that a report of it should name."""
    import traceback
    from pathlib import PurePath

    last = traceback.extract_tb(problem.__traceback__)[-1]
    where = f"{PurePath(last.filename).name}:{last.lineno}"
    seen = f"{type(problem).__name__}: {problem}"
    return f"the results could not be written ({seen}, {where}); the outcomes of the tests stand"
