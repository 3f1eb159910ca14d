"""The fixtures as pytest finds them. Their objects are imported when a test asks for one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_pipeline.plugin.measuring.direct import DirectExecutor
    from pytest_pipeline.plugin.measuring.fixtures import PipelineFixture


@pytest.fixture
def pipeline(request: pytest.FixtureRequest) -> PipelineFixture:
    """Compare executors on the same stages and items: `pipeline.run([stage, ...], items)` returns a `Comparison`."""
    from pytest_pipeline.plugin.measuring.fixtures import PipelineFixture

    return PipelineFixture(request.node)


@pytest.fixture
def parallel_pipeline(request: pytest.FixtureRequest) -> PipelineFixture:
    """Do what `pipeline` does, for projects that have a fixture of that name themselves."""
    from pytest_pipeline.plugin.measuring.fixtures import PipelineFixture

    return PipelineFixture(request.node)


@pytest.fixture
def serial_executor(request: pytest.FixtureRequest) -> Iterator[DirectExecutor]:
    """Run stages once, one item at a time: `serial_executor.run(stages, items)` returns a `Trace`."""
    yield from _direct(request, "serial")


@pytest.fixture
def threads_executor(request: pytest.FixtureRequest) -> Iterator[DirectExecutor]:
    """Run stages once on threads: `threads_executor.run(stages, items)` returns a `Trace`."""
    yield from _direct(request, "threads")


@pytest.fixture
def processes_executor(request: pytest.FixtureRequest) -> Iterator[DirectExecutor]:
    """Run stages once on worker processes: `processes_executor.run(stages, items)` returns a `Trace`."""
    yield from _direct(request, "processes")


@pytest.fixture
def cuda_executor(request: pytest.FixtureRequest) -> Iterator[DirectExecutor]:
    """Run stages once on a CUDA device: `.run(stages, items)` returns a `Trace`; skips with the cause where there is none."""
    yield from _direct(request, "cuda")


def _direct(request: pytest.FixtureRequest, name: str) -> Iterator[DirectExecutor]:
    from pytest_pipeline.plugin.measuring.direct import direct_executor

    return direct_executor(request, name)
