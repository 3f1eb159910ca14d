"""Where the report goes, and the link to one test in it: known before anything is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_pipeline.plugin.settings import settings_of


def report_path(config: pytest.Config) -> Path | None:
    """Return the asked-for path, else one in pytest's cache directory; None when there is none."""
    settings = settings_of(config)
    if settings.report is not None or settings.is_report_off:
        return settings.report
    cache = getattr(config, "cache", None)  # absent with -p no:cacheprovider
    if cache is None:
        return None
    try:
        return Path(cache.mkdir("pipeline")) / "report.html"
    except OSError:  # read-only working directory
        return None


def report_link(config: pytest.Config, nodeid: str) -> str:
    """Return `path#t-3f9a01c2d4`, or nothing when no report will be written."""
    from pytest_pipeline.report.text import anchor

    path = report_path(config)
    return f"{shown(config, path)}#{anchor(nodeid)}" if path is not None else ""


def shown(config: pytest.Config, path: Path) -> str:
    """Return `path` as short as it can be typed from where pytest was started."""
    try:
        return str(path.relative_to(config.invocation_params.dir))
    except ValueError:
        return str(path)
