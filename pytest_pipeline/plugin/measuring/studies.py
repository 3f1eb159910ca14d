"""Ungated studies of a test: what a sweep found is kept for the report, complete or not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from pytest_pipeline.errors import UsageError, original
from pytest_pipeline.plugin.alone.exclusive import measuring
from pytest_pipeline.plugin.measuring.timeouts import study_budget
from pytest_pipeline.plugin.measuring.tracebacks import trimmed
from pytest_pipeline.plugin.session import keep_interrupted
from pytest_pipeline.plugin.settings import settings_of
from pytest_pipeline.plugin.state import state_of

if TYPE_CHECKING:
    import pandas as pd

    from pytest_pipeline.model.sweep import Sweep
    from pytest_pipeline.model.tuning import Tuning
    from pytest_pipeline.plugin.spool import Journal

T = TypeVar("T")

_OF_GATES = {"requirements", "budget"}
"""What `compare` takes and a study does not."""


def run_sweep(
    item: pytest.Item, stages: Any, items: Any, grid: Mapping[str, Any], options: Mapping[str, Any]
) -> pd.DataFrame:
    """Return the frame of a sweep; what was measured before an error stays in the report."""
    __tracebackhide__ = True
    from pytest_pipeline.sweeping import sweep

    _require_pandas()
    grid = {**grid, "budget_s": _budget_s(item, grid, "sweep")}
    made: Sweep = _study(item, state_of(item).sweeps, sweep, (stages, items), {**options, **grid})
    return made.to_frame()


def run_tune(
    item: pytest.Item, stages: Any, items: Any, space: Mapping[str, Any], options: Mapping[str, Any]
) -> Tuning:
    """Return the record of a search; what was measured before an error stays in the report."""
    __tracebackhide__ = True
    from pytest_pipeline.tuning import tune

    space = {**space, "budget_s": _budget_s(item, space, "tune")}
    return _study(item, state_of(item).tunings, tune, (stages, items), {**options, **space})


def _budget_s(item: pytest.Item, declared: Mapping[str, Any], study: str) -> float:
    from pytest_pipeline.model.units import parse_seconds

    passed_s = parse_seconds(declared["budget"], what=f"{study}(budget)")
    configured = settings_of(item.config).budget_s
    return study_budget(item, configured.over(passed_s) or passed_s)


def _study(
    item: pytest.Item,
    studies: list[T],
    measure: Callable[..., T],
    measured: tuple[Any, Any],
    options: Mapping[str, Any],
) -> T:
    """Return what `measure` makes of stages and items, kept among `studies` as far as it came."""
    __tracebackhide__ = True
    from pytest_pipeline.plugin.measuring.progress import LiveLine, RunObserver
    from pytest_pipeline.plugin.spool import journal_of

    live = LiveLine(item.config)
    kept = _Kept(studies, journal_of(item))
    passed = {name: value for name, value in options.items() if name not in _OF_GATES}
    try:
        with measuring(item.config) as company:
            made = measure(
                *measured,
                observer=RunObserver(live),
                so_far=kept.take,
                company=company,
                **passed,
            )
    except UsageError as error:
        raise error.with_traceback(None)  # noqa: B904 - the user's own line is what is wrong
    except BaseException as error:
        raised = original(error)
        keep_interrupted(item, raised)
        kept.write_down()
        raise trimmed(raised)  # noqa: B904 - the same exception
    finally:
        live.erase()
    kept.take(made)
    return made


class _Kept:
    """The latest state of one study among those of its test."""

    def __init__(self, studies: list[Any], journal: Journal | None) -> None:
        self._studies = studies
        self._index = len(studies)
        self._journal = journal

    def take(self, study: object) -> None:
        """Put `study` in the place of what it continues."""
        self._studies[self._index :] = [study]
        self.write_down()

    def write_down(self) -> None:
        """Leave evidence in case this process is killed."""
        if self._journal is not None:
            self._journal.finished()


def _require_pandas() -> None:
    try:
        import pandas as pd  # noqa: F401 - asked for before minutes of measuring
    except ImportError:
        raise UsageError(
            "pipeline.sweep returns a pandas frame and pandas is not installed: "
            'pip install "pytest-pipeline-speedup[pandas]", or call pytest_pipeline.sweep, which needs none'
        ) from None
