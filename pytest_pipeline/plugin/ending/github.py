"""On GitHub Actions: annotations at the failing tests' lines, and the results in the job's summary."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

MAX_ANNOTATIONS = 10
"""GitHub shows ten of a kind for each step and drops the others."""

MAX_SUMMARY_BYTES = 900_000
"""GitHub drops a summary above 1024 kB as a whole; other tools of the step write into it too."""

_ANNOTATING_PLUGIN = "pytest_github_actions_annotate_failures"


def should_annotate(config: pytest.Config) -> bool:
    """Return whether annotations are wanted and nobody else makes them."""
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return False
    plugins = config.pluginmanager.list_name_plugin()
    return not any(
        _ANNOTATING_PLUGIN in (name, str(getattr(plugin, "__name__", "")).partition(".")[0])
        for name, plugin in plugins
    )


def annotation(report: pytest.TestReport, root: Path) -> str:
    """Return the workflow command that marks the line of a failed test."""
    crash = getattr(report.longrepr, "reprcrash", None)
    path, line, _ = report.location
    if crash is not None and Path(crash.path).is_absolute():
        path, line = str(crash.path), int(crash.lineno) - 1
    place = f"file={_property(_from_workspace(root / path))},line={(line or 0) + 1}"
    # Without the exception's name, which pytest puts before the messages of ordinary errors only.
    text = str(getattr(crash, "message", "") or report.longreprtext or report.nodeid)
    return f"::error {place},title={_property(report.nodeid)}::{_data(text)}"


def append_summary(document: dict[str, Any], path: Path) -> None:
    """Append the results to the job's summary; raises `OSError` when it cannot be written."""
    from pytest_pipeline.report.markdown import render

    room = MAX_SUMMARY_BYTES - (path.stat().st_size if path.exists() else 0)
    text = _within(f"\n{render(document)}\n", room)
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def summary_path() -> Path | None:
    """Return where GitHub wants the Markdown, or None elsewhere."""
    given = os.environ.get("GITHUB_STEP_SUMMARY", "")
    return Path(given) if given else None


def _within(text: str, room: int) -> str:
    """Return the leading lines of `text` that fit."""
    kept, used = [], 0
    for line in text.splitlines(keepends=True):
        used += len(line.encode())
        if used > room:
            break
        kept.append(line)
    return "".join(kept)


def _from_workspace(path: Path) -> str:
    workspace = os.environ.get("GITHUB_WORKSPACE", "")
    if workspace and path.is_relative_to(workspace):
        path = path.relative_to(workspace)
    return path.as_posix()


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
