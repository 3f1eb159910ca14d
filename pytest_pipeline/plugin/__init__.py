"""The pytest plugin: the hooks, in the order in which pytest calls them.

Imported at every start of pytest in every project that has this package installed, so nothing here
may import more than pytest and light modules of the standard library; a test checks that.

PYTEST_DONT_REWRITE: there is no assertion here that a user would meet.
"""

from __future__ import annotations

from collections.abc import Generator
from threading import RLock
from typing import Any

import pytest

from pytest_pipeline.plugin import hookspecs
from pytest_pipeline.plugin.controller import Controller
from pytest_pipeline.plugin.fixture_defs import (
    cuda_executor,
    parallel_pipeline,
    pipeline,
    processes_executor,
    serial_executor,
    threads_executor,
)
from pytest_pipeline.plugin.names import STATE, TURNS, concerns_us, register_markers
from pytest_pipeline.plugin.options import LOCK, add_options, find, is_any_given
from pytest_pipeline.plugin.rival import refuse_rival
from pytest_pipeline.plugin.workers import is_worker

__all__ = [
    "cuda_executor",
    "parallel_pipeline",
    "pipeline",
    "processes_executor",
    "serial_executor",
    "threads_executor",
]


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare our own hooks."""
    pluginmanager.add_hookspecs(hookspecs)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--pipeline-*` and the ini options of the same names."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Read the options; a bad one ends the session before anything runs."""
    refuse_rival()
    register_markers(config)
    # Made here: two threads of pytest-run-parallel that make it at first use could make two.
    config.stash[TURNS] = RLock()
    if is_any_given(config):
        from pytest_pipeline.plugin.settings import settings_of

        settings_of(config)
    if not is_worker(config):
        config.pluginmanager.register(Controller(config), "pipeline-controller")
    if config.getoption("parallel_threads", None) is not None:
        from pytest_pipeline.plugin.run_parallel import OneThread

        config.pluginmanager.register(OneThread(), "pipeline-one-thread")
    if is_worker(config) or find(config, LOCK)[0] is not None:
        from pytest_pipeline.plugin.shared import needs_lock

        if needs_lock(config):
            from pytest_pipeline.plugin.alone.exclusive import guard

            guard(config)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn bad markers into collection errors."""
    report = yield
    if report.passed and any(
        isinstance(each, pytest.Item) and concerns_us(each) for each in report.result
    ):
        from pytest_pipeline.plugin.declaring.problems import check_collected

        check_collected(collector, report)
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Begin an attempt; markers that were added after collection are checked here, later ones when they are read."""
    if STATE in item.stash or concerns_us(item):
        from pytest_pipeline.plugin.state import bad_markers_fail, begin_attempt

        with bad_markers_fail():
            begin_attempt(item)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Decide after the body; what the body raised passes through untouched."""
    __tracebackhide__ = True
    try:
        result = yield
    except BaseException as error:
        if STATE in item.stash:
            from pytest_pipeline.plugin.verdict import after_error

            after_error(item, error)
        raise
    if STATE in item.stash or concerns_us(item):
        from pytest_pipeline.plugin.verdict import check_gates

        check_gates(item)
    return result


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Give the report our failure text and the plain result; the last one of a test ends what we keep of it."""
    report = yield
    if STATE in item.stash:
        from pytest_pipeline.plugin.failure import show_regression
        from pytest_pipeline.plugin.lost_device import attach_loss
        from pytest_pipeline.plugin.session import attach_result

        show_regression(item, call, report)
        attach_result(item, report)
        attach_loss(item, report)
        if report.when == "teardown":
            item.stash[STATE].forget()
    return report


@pytest.hookimpl(wrapper=True)
def pytest_report_teststatus(report: pytest.TestReport) -> Generator[None, Any, Any]:
    """Show the speedup beside PASSED with `-v`; others decide the outcome here, as pytest does for failed subtests."""
    status = yield
    word = getattr(report, "pipeline_word", "")
    if word and report.when == "call" and status and tuple(status[:2]) == ("passed", "."):
        return "passed", ".", f"PASSED {word}"
    return status
