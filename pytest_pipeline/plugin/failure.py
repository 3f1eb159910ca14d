"""What pytest prints for a `PipelineRegression`: our text, no traceback through our own code."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_pipeline.errors import PipelineRegression
from pytest_pipeline.plugin.paths import report_link
from pytest_pipeline.plugin.workers import nodeid_of


def native_failure(text: str, path: str, line: int, message: str) -> Any:
    """Return a representation that prints `text` as it is and `message` in the short summary."""
    try:
        from _pytest._code.code import ExceptionChainRepr, ReprFileLocation, ReprTracebackNative
    except ImportError:  # private names: without them only the short summary loses its text
        return text
    place = ReprFileLocation(path, line, message)
    return ExceptionChainRepr([(ReprTracebackNative([text + "\n"]), place, None)])


def show_regression(
    item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport
) -> None:
    """Replace the traceback of a failed gate; an expected failure keeps pytest's own reason."""
    error = call.excinfo.value if call.excinfo is not None else None
    if report.outcome != "failed" or not isinstance(error, PipelineRegression):
        return
    line = _line(item, call)
    text = str(error)
    link = report_link(item.config, nodeid_of(item))
    lines = [
        text,
        f"  report: {link}" if link else "",
        "",
        f"{item.location[0]}:{line}: PipelineRegression",
    ]
    shown = "\n".join(part for index, part in enumerate(lines) if part or index == 2)
    report.longrepr = native_failure(shown, str(item.path), line, text.partition("\n")[0])


def _line(item: pytest.Item, call: pytest.CallInfo[None]) -> int:
    """Return the user's line that raised (`assert_met()`), else the test's own."""
    assert call.excinfo is not None
    inside = [entry for entry in call.excinfo.traceback if str(entry.path) == str(item.path)]
    if inside:
        return int(inside[-1].lineno) + 1
    return (item.location[1] or 0) + 1
