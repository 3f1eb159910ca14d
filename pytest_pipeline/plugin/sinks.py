"""`pytest_pipeline_finding`: whoever listens hears every finding, and cannot change what it says."""

from __future__ import annotations

import pytest

from pytest_pipeline.plugin.declaring.problems import warn_at
from pytest_pipeline.plugin.names import RAISED_BY_HOOKS
from pytest_pipeline.plugin.session import keep_interrupted
from pytest_pipeline.plugin.state import ItemState

HOOK = "pytest_pipeline_finding"


def tell_sinks(item: pytest.Item, state: ItemState) -> None:
    """Tell the hook of every finding of `item`; what it raises is a warning at the test's line."""
    problems = []
    for finding in state.findings:
        try:
            getattr(item.ihook, HOOK)(config=item.config, finding=finding)
        except pytest.exit.Exception as end:  # an `Exception`, but whoever raises it means it
            keep_interrupted(item, end)
            raise
        except RAISED_BY_HOOKS as problem:
            problems.append(f"{type(problem).__name__}: {problem}")
    if problems:
        said = "; ".join(dict.fromkeys(problems))
        warn_at(item, f"{HOOK} raised {said}; the verdict stands: correct that hook")
