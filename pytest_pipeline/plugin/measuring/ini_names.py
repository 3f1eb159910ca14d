"""Executors that the ini file names: looked for when a test measures, since its conftest.py may bring them."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_pipeline.errors import UsageError
from pytest_pipeline.plugin.declaring.problems import warn_once
from pytest_pipeline.plugin.names import check_executor_name
from pytest_pipeline.plugin.settings import Settings


def check_ini_names(item: pytest.Item, settings: Settings, arms: tuple[Any, ...] | None) -> None:
    """Raise `UsageError` for an unknown one among `arms`, when these are those of the ini file.

    A required one that is unknown is a warning: its conftest.py may be that of other tests.
    """
    __tracebackhide__ = True
    if arms is settings.executors.value and not settings.executors.is_forced:
        for name in arms or ():
            _check_arm(item, name)
    for name in settings.require:
        try:
            check_executor_name(item.config, name)
        except UsageError as problem:
            text = f"ini option pipeline_require: {problem}; nothing is required of it here"
            warn_once(item, f"executor {name}", text)


def _check_arm(item: pytest.Item, name: str) -> None:
    __tracebackhide__ = True
    try:
        check_executor_name(item.config, name, item.ihook)
    except UsageError as problem:
        raise UsageError(f"ini option pipeline_executors: {problem}") from None
