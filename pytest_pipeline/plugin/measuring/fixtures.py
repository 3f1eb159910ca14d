"""What the `pipeline` fixture hands to a test: it compares, sweeps and tunes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from pytest_pipeline.errors import UsageError, original
from pytest_pipeline.plugin.alone.exclusive import measuring
from pytest_pipeline.plugin.measuring.ini_names import check_ini_names
from pytest_pipeline.plugin.measuring.keeping import keep, keep_partial
from pytest_pipeline.plugin.measuring.request import Wanted, arms_wanted, split_requirements
from pytest_pipeline.plugin.measuring.timeouts import cut_budget
from pytest_pipeline.plugin.measuring.tracebacks import trimmed
from pytest_pipeline.plugin.names import DEFAULT_EXECUTORS, third_party_executors
from pytest_pipeline.plugin.session import MACHINE
from pytest_pipeline.plugin.settings import settings_of
from pytest_pipeline.plugin.state import declared_now, state_of

if TYPE_CHECKING:
    import pandas as pd

    from pytest_pipeline.executors.protocol import Executor
    from pytest_pipeline.model.comparison import Comparison
    from pytest_pipeline.model.plan import Arrivals, Close
    from pytest_pipeline.model.tuning import Tuning


_TOO_LATE = (
    "pipeline.run was called after the verdict on this test was made, in the teardown of a fixture: nothing that it finds "
    "could fail the test; call it in the test, or before the `yield` of the fixture; or it is the `pipeline` of an earlier "
    "test: ask for the fixture in each"
)


class PipelineFixture:
    """Runs stages under a baseline and other executors, and decides the test's markers."""

    def __init__(self, item: pytest.Item) -> None:
        self._item = item
        self._config = item.config
        # From now on the test is looked at after its body, whatever its arguments and markers show.
        state_of(item)

    def run(
        self,
        stages: Sequence[Any],
        items: Any,
        *,
        executors: Sequence[str | Executor] | None = None,
        baseline: str | Executor = "serial",
        check: str | Close | Callable[[Any, Any], object] | None = "equal",
        arrivals: Arrivals | None = None,
        setup: Callable[[], object] | None = None,
        teardown: Callable[[], object] | None = None,
        timeout: float = 60.0,
        gates: bool = True,
    ) -> Comparison:
        """Run the same `stages` on the same `items` under every arm, interleaved, and compare.

        `stages` are functions or `Stage`s; `items` is a list, or a callable that makes a fresh iterator
        for every execution. `executors` are names or configured executors (default: those of the marker
        or option, else threads). `check` says what equal outputs are: `"equal"`, `"close"`, a `Close`, a
        callable `(expected, actual)` that raises or returns False, or None. With `arrivals` the items
        of `p99_latency` gates come at that rate (open loop); without such a gate it changes nothing. `setup` and
        `teardown` run untimed around every execution; `timeout` is in seconds and ends one.

        The markers of the test become requirements of this run unless `gates=False`; their verdict
        fails or skips the test after its body, so that ordinary asserts still run. The result can
        be indexed by arm: `result["threads"].speedup.value` (ratio), `.latency.p99_s` (seconds).

        Raises `UsageError` for a declaration that cannot work, and whatever a stage raises, with a note
        naming stage and item; `StageTimeoutError`, `WorkerDiedError` and `ShippingError` say the same of
        what stages do not raise (`pytest_pipeline.errors`).
        """
        __tracebackhide__ = True
        if state_of(self._item).has_ended:
            raise UsageError(_TOO_LATE)
        wanted = self._in_time(self._wanted(executors, baseline, is_gated=gates))
        arguments = {
            "executors": wanted.executors,
            "baseline": baseline,
            "check": check,
            "arrivals": arrivals,
            "setup": setup,
            "teardown": teardown,
            "timeout": timeout,
        }
        return self._compare(stages, items, wanted, arguments, is_gated=gates)

    def sweep(
        self,
        stages: Sequence[Any],
        items: Any,
        *,
        workers: Sequence[int] = (1, 2, 4),
        queue_size: Sequence[int] | None = None,
        batch_size: Sequence[int] | None = None,
        executors: Sequence[str | Executor] | None = None,
        baseline: str | Executor = "serial",
        check: str | Close | Callable[[Any, Any], object] | None = "equal",
        setup: Callable[[], object] | None = None,
        teardown: Callable[[], object] | None = None,
        timeout: float = 60.0,
        budget: str | float = 60.0,
    ) -> pd.DataFrame:
        """Measure the plan for every combination of workers, queue size, batch size and executor; nothing is gated.

        Returns one row per point: executor, workers, queue_size, batch_size, total_workers, speedup (ratio) with its
        interval, batch_gain (what the batch size alone buys the baseline, ratio), efficiency (0-1), makespan_s and
        baseline_s (seconds), throughput_per_s (items per second). The report draws the curves.
        `budget` (seconds or "60s") is shared out among the settings. Needs the `pandas` extra; raises
        `UsageError` without it, for an empty grid, and when outputs differ.
        """
        __tracebackhide__ = True
        from pytest_pipeline.plugin.measuring.studies import run_sweep

        options = self._study_options(
            executors, baseline, check=check, setup=setup, teardown=teardown, timeout=timeout
        )
        grid = {
            "workers": workers,
            "queue_size": queue_size,
            "batch_size": batch_size,
            "budget": budget,
        }
        return run_sweep(self._item, stages, items, grid, options)

    def tune(
        self,
        stages: Sequence[Any],
        items: Any,
        *,
        executors: Sequence[str | Executor] | None = None,
        queue_size: Sequence[int] = (1, 4, 64),
        batch_size: Sequence[int] | None = None,
        most_workers: int = 16,
        baseline: str | Executor = "serial",
        check: str | Close | Callable[[Any, Any], object] | None = "equal",
        setup: Callable[[], object] | None = None,
        teardown: Callable[[], object] | None = None,
        timeout: float = 60.0,
        budget: str | float = 60.0,
    ) -> Tuning:
        """Find a good setting of workers, queue size, batch size and executor; nothing is gated.

        The model proposes settings of up to `most_workers` slots from one profile, and the promising ones are measured
        in interleaved rounds against the setting as declared under the first executor, for about `budget` (seconds
        or "60s"). The record says what was tried, predicted and measured, and why the search ended; the report has
        the table. Raises `UsageError` for a search that means nothing, and when outputs differ.
        """
        __tracebackhide__ = True
        from pytest_pipeline.plugin.measuring.studies import run_tune

        options = self._study_options(
            executors, baseline, check=check, setup=setup, teardown=teardown, timeout=timeout
        )
        space = {
            "queue_size": queue_size,
            "batch_size": batch_size,
            "most_workers": most_workers,
            "budget": budget,
        }
        return run_tune(self._item, stages, items, space, options)

    def _study_options(
        self, executors: Sequence[Any] | None, baseline: Any, **arguments: Any
    ) -> dict[str, Any]:
        """Return what a study passes on to every comparison that it makes."""
        __tracebackhide__ = True
        wanted = self._wanted(executors, baseline, is_gated=False)
        return {
            **self._surroundings(wanted),
            **arguments,
            "executors": wanted.executors,
            "baseline": baseline,
        }

    def _wanted(self, executors: Sequence[Any] | None, baseline: Any, *, is_gated: bool) -> Wanted:
        __tracebackhide__ = True
        state_of(self._item).uses_fixture = True
        declared = declared_now(self._item)
        settings = settings_of(self._config)
        arms, is_forced = arms_wanted(settings, executors, declared.executors)
        check_ini_names(self._item, settings, arms)
        demanded = declared.requirements if is_gated else ()
        binding, dropped = split_requirements(demanded, arms, baseline, is_forced=is_forced)
        return Wanted(arms, binding, dropped, settings.budget_s.over(declared.budget_s))

    def _in_time(self, wanted: Wanted) -> Wanted:
        """Keep the measurement within the timeout of the test."""
        arms = len(wanted.executors or DEFAULT_EXECUTORS)
        cut = cut_budget(self._item, wanted.budget_s, wanted.requirements, arms)
        return (
            wanted if cut is None else dataclasses.replace(wanted, budget_s=cut.budget_s, cut=cut)
        )

    def _compare(
        self,
        stages: Sequence[Any],
        items: Any,
        wanted: Wanted,
        arguments: dict[str, Any],
        *,
        is_gated: bool,
    ) -> Comparison:
        __tracebackhide__ = True
        from pytest_pipeline.comparing import compare
        from pytest_pipeline.plugin.measuring.progress import LiveLine, RunObserver
        from pytest_pipeline.plugin.spool import journal_of

        live = LiveLine(self._config)
        journal = journal_of(self._item)
        observer = RunObserver(live, journal)
        try:
            with measuring(self._config) as company:
                comparison = compare(
                    stages,
                    items,
                    **arguments,
                    **self._surroundings(wanted),
                    company=company,
                    run_number=state_of(self._item).gated_runs + 1,
                    observer=observer,
                )
        except UsageError as error:
            raise error.with_traceback(None)  # noqa: B904 - the user's own line is what is wrong
        except BaseException as error:
            raised = original(error)
            keep_partial(self._item, observer.latest, raised, journal, is_gated=is_gated)
            raise trimmed(raised)  # noqa: B904 - the same exception
        finally:
            live.erase()
        return keep(self._item, wanted.complete(comparison), journal, is_gated=is_gated)

    def _surroundings(self, wanted: Wanted) -> dict[str, Any]:
        """Return what a user of the fixture does not pass: markers, options, hooks, the machine."""
        settings = settings_of(self._config)
        declared = state_of(self._item).declared
        optional = {"budget_s": wanted.budget_s, "max_rounds": declared.max_rounds}
        return {
            "requirements": wanted.requirements,
            "mode": "off" if settings.is_off else "measure",
            "extra_executors": third_party_executors(self._config, self._item.ihook),
            "machine": self._config.stash.get(MACHINE, None),
            **{name: value for name, value in optional.items() if value is not None},
        }
