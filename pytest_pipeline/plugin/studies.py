"""Ungated studies of a test: what a sweep found is kept for the report, complete or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest

from pytest_pipeline.errors import UsageError
from pytest_pipeline.plugin.exclusive import measuring
from pytest_pipeline.plugin.session import keep_interrupted
from pytest_pipeline.plugin.state import state_of
from pytest_pipeline.plugin.tracebacks import trimmed

if TYPE_CHECKING:
    import pandas as pd

    from pytest_pipeline.model.sweep import Sweep

_OF_GATES = {"requirements", "budget_s"}
"""What `compare` takes and a study does not."""


def run_sweep(
    item: pytest.Item, stages: Any, items: Any, grid: Mapping[str, Any], options: Mapping[str, Any]
) -> pd.DataFrame:
    """Return the frame of a sweep; what was measured before an error stays in the report."""
    __tracebackhide__ = True
    from pytest_pipeline.model.units import parse_seconds
    from pytest_pipeline.plugin.progress import LiveLine, RunObserver
    from pytest_pipeline.sweeping import sweep

    _require_pandas()
    live = LiveLine(item.config)
    kept = _Kept(item)
    try:
        with measuring(item.config) as company:
            made = sweep(
                stages,
                items,
                workers=grid["workers"],
                queue_size=grid["queue_size"],
                batch_size=grid["batch_size"],
                budget_s=parse_seconds(grid["budget"], what="sweep(budget)"),
                observer=RunObserver(live),
                so_far=kept.take,
                company=company,
                **{name: value for name, value in options.items() if name not in _OF_GATES},
            )
    except UsageError as error:
        raise error.with_traceback(None)  # noqa: B904 - the user's own line is what is wrong
    except BaseException as error:
        if not isinstance(error, Exception):  # Ctrl-C: pytest makes no report of this test any more
            keep_interrupted(item, error)
        raise trimmed(error)  # noqa: B904 - the same exception
    finally:
        live.erase()
    return made.to_frame()


class _Kept:
    """The latest state of one study in the state of its test."""

    def __init__(self, item: pytest.Item) -> None:
        self._sweeps = state_of(item).sweeps
        self._index = len(self._sweeps)

    def take(self, sweep: Sweep) -> None:
        """Put `sweep` in the place of what it continues."""
        self._sweeps[self._index :] = [sweep]


def _require_pandas() -> None:
    try:
        import pandas as pd  # noqa: F401 - asked for before minutes of measuring
    except ImportError:
        raise UsageError(
            "pipeline.sweep returns a pandas frame and pandas is not installed: "
            'pip install "pytest-pipeline-speedup[pandas]", or call pytest_pipeline.sweep, which needs none'
        ) from None
