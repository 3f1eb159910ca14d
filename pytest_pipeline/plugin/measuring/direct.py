"""What the `<name>_executor` fixtures hand to a test: one executor that runs once, nothing is compared."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from pytest_pipeline.errors import original
from pytest_pipeline.plugin.alone.exclusive import measuring
from pytest_pipeline.plugin.measuring.tracebacks import trimmed
from pytest_pipeline.plugin.settings import settings_of

if TYPE_CHECKING:
    from pytest_pipeline.executors.protocol import Executor
    from pytest_pipeline.model.trace import Trace


class DirectExecutor:
    """One executor for direct use: each `run` opens it, executes once, and closes it."""

    def __init__(self, config: pytest.Config, executor: Executor) -> None:
        self._config = config
        self._executor = executor
        self._open = contextlib.ExitStack()

    @property
    def name(self) -> str:
        """The executor's name, as in markers."""
        return self._executor.name

    def run(self, stages: Sequence[Any], items: Any, *, timeout: float = 60.0) -> Trace:
        """Execute `stages` once on `items` and return the trace with the outputs.

        Raises the stage's own exception, `StageTimeoutError` after `timeout` seconds, or
        `UsageError` for stages or items that cannot work.
        """
        __tracebackhide__ = True
        from pytest_pipeline.executors.batches import open_plan
        from pytest_pipeline.measure.items import make_source
        from pytest_pipeline.model.plan import make_plan

        source = make_source(items)
        try:
            with measuring(self._config):
                running = open_plan(self._executor, make_plan(stages, timeout_s=timeout))
                self._open.callback(running.close)
                return running.run(source)
        except BaseException as error:
            raise trimmed(original(error))  # noqa: B904 - the same exception
        finally:
            self._open.close()

    def close(self) -> None:
        """End the workers that an interrupted `run` may have left; harmless when repeated."""
        self._open.close()


def direct_executor(request: pytest.FixtureRequest, name: str) -> Iterator[DirectExecutor]:
    """Yield the executor `name`; skip with the cause, or fail when it is required, where it cannot run."""
    from pytest_pipeline.executors.registry import resolve

    executor = resolve(name)
    cause = executor.unavailable()
    if cause:
        text = f"executor {name!r} cannot run here: {cause}"
        if name in settings_of(request.config).require:
            pytest.fail(f"{text} (and --pipeline-require names it)", pytrace=False)
        pytest.skip(text)
    direct = DirectExecutor(request.config, executor)
    try:
        yield direct
    finally:
        direct.close()
