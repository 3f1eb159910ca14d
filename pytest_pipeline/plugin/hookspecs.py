"""Hooks that other plugins and conftest files may implement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_pipeline.executors.protocol import Executor
    from pytest_pipeline.model.finding import Finding


@pytest.hookspec
def pytest_pipeline_executors(
    config: pytest.Config,
) -> Mapping[str, Executor] | None:
    """Return further executors by name; they can then be named like the built-in ones.

    Called when a comparison starts, and when an option or marker names an unknown executor.
    """


@pytest.hookspec
def pytest_pipeline_finding(config: pytest.Config, finding: Finding) -> None:
    """Hear every finding, in the process that ran the test, right after the test's body, however that ended.

    What an implementation raises is a warning at the test's line and changes no verdict.
    """


@pytest.hookspec
def pytest_pipeline_report_sections(
    config: pytest.Config, document: Mapping[str, Any]
) -> Sequence[Mapping[str, Any]] | None:
    """Return further sections for the HTML and JSON report, all of it text: markup is shown, not obeyed.

    Each is `{"title": ..., "text": ..., "header": [...], "rows": [[...], ...]}`; all but the title may be
    missing. `document` is what the JSON file holds, for reading. Called once, after the last test, in the
    process that writes the report: under xdist the controller, which loads plugins and the conftest files
    of the root and of the paths on the command line.
    """
