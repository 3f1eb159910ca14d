"""Bad declarations become collection errors: the only place that works under xdist as well."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from pytest_pipeline.errors import UsageError
from pytest_pipeline.plugin.declaring.markers import Declared, declared_by, location
from pytest_pipeline.plugin.declaring.ownership import uses_our_fixtures
from pytest_pipeline.plugin.failure import native_failure
from pytest_pipeline.plugin.names import MARKERS, PROBLEM, concerns_us

WARNED = pytest.StashKey[set[str]]()
"""Names of markers and executors that this session has warned about already."""


class PipelineWarning(pytest.PytestWarning):
    """Something about a marker, an option, a hook or a study's budget that is probably not what its author meant."""


def check_collected(collector: pytest.Collector, report: pytest.CollectReport) -> None:
    """Turn `report` into a failed one when a test in it has a bad marker of ours."""
    if not report.passed:
        return
    problems: list[str] = []
    for each in report.result:
        if isinstance(each, pytest.Item) and concerns_us(each):
            problems += _problems_of(each)
    if problems:
        report.outcome = "failed"
        report.result = []
        report.longrepr = "\n".join(problems)
        setattr(report, PROBLEM, _crash(collector, problems))


def show_problem(report: pytest.CollectReport) -> None:
    """Give the report a crash line, which the short summary shows."""
    crash = getattr(report, PROBLEM, None)
    if crash is not None and isinstance(report.longrepr, str):
        path, line, message = crash
        report.longrepr = native_failure(report.longrepr, path, line, message)


def _problems_of(item: pytest.Item) -> list[str]:
    try:
        declared = declared_by(item)
        _warn_labels(item, declared)
        _warn_near_names(item)
    except UsageError as problem:
        return [str(problem)]
    except PipelineWarning as warning:  # filterwarnings = error
        return [f"{location(item)}: {item.name}: {warning}"]
    return []


def _crash(collector: pytest.Collector, problems: list[str]) -> list[Any]:
    place, _, message = problems[0].partition(": ")
    path, _, line = place.rpartition(":")
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    if not line.isdigit():
        return [str(collector.path), 1, problems[0] + more]
    return [path, int(line), message + more]


def _warn_labels(item: pytest.Item, declared: Declared) -> None:
    for name in declared.labels:
        warn_once(
            item,
            name,
            f"@pytest.mark.{name} has no arguments and the test does not use the pipeline fixture: taken for a label of this project and ignored by pytest-pipeline-speedup",
        )


def _warn_near_names(item: pytest.Item) -> None:
    """Point at `@pytest.mark.speed_up` on a test that measures: pytest alone would run it ungated."""
    unknown = [mark.name for mark in item.iter_markers() if mark.name not in MARKERS]
    if not unknown or not uses_our_fixtures(item):
        return
    registered = {
        line.partition(":")[0].partition("(")[0].strip() for line in item.config.getini("markers")
    }
    for name in unknown:
        if name not in registered:
            _warn_near_name(item, name)


def _warn_near_name(item: pytest.Item, name: str) -> None:
    import difflib  # only for unknown markers on measuring tests

    close = difflib.get_close_matches(name, MARKERS, n=1, cutoff=0.75)
    if close:
        warn_once(
            item,
            name,
            f"@pytest.mark.{name} is not a marker of pytest-pipeline-speedup and gates nothing: did you mean @pytest.mark.{close[0]}?",
        )


def warn_at(item: pytest.Item, text: str) -> None:
    """Warn at the test's own line; raises `PipelineWarning` where warnings are errors."""
    path, line, _ = item.reportinfo()
    warnings.warn_explicit(PipelineWarning(text), None, str(path), (line or 0) + 1)


def warn_once(item: pytest.Item, name: str, text: str) -> None:
    """Warn at the line of the first test that `name` is wrong in."""
    warned = item.config.stash.setdefault(WARNED, set())
    if name in warned:
        return
    warned.add(name)
    warn_at(item, text)
