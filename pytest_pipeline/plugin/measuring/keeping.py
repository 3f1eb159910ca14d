"""What a test keeps of a run: the whole comparison, or what was measured before it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_pipeline.plugin.session import keep_interrupted
from pytest_pipeline.plugin.settings import settings_of
from pytest_pipeline.plugin.state import Run, state_of

if TYPE_CHECKING:
    from pytest_pipeline.model.comparison import Comparison
    from pytest_pipeline.plugin.spool import Journal


def keep(
    item: pytest.Item, comparison: Comparison, journal: Journal | None, *, is_gated: bool
) -> Comparison:
    """Keep a finished run for the verdict and the report; return what the test's body gets of it."""
    from pytest_pipeline.plugin.measuring.gated import gated

    run = _kept(item, comparison, is_gated=is_gated)
    if journal is not None:
        journal.finished()
    return gated(comparison, run, is_off=settings_of(item.config).is_off)


def keep_partial(
    item: pytest.Item,
    comparison: Comparison | None,
    error: BaseException,
    journal: Journal | None,
    *,
    is_gated: bool,
) -> None:
    """Keep what was measured before `error` ended the run; nothing of a run that was skipped from inside."""
    if comparison is not None and not isinstance(error, pytest.skip.Exception):
        # The body gets the error: uncaught it fails the test, caught it was expected.
        _kept(item, comparison, is_gated=is_gated).is_raised = True
    keep_interrupted(item, error)
    if journal is not None:
        journal.finished()


def _kept(item: pytest.Item, comparison: Comparison, *, is_gated: bool) -> Run:
    state = state_of(item)
    run = Run(comparison, is_gated, demanded=state.declared.requirements)
    state.runs.append(run)
    return run
