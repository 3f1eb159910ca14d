"""The names users write - markers, fixtures, executors - and hints for names that come close."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_pipeline.plugin.session import Results
    from pytest_pipeline.plugin.state import ItemState

GATES = (
    "speedup",
    "p99_latency",
    "throughput",
    "first_result",
    "efficiency",
    "overlap",
    "peak_memory",
    "error_rate",
)
"""Gate markers of this release."""

PROVISIONAL_GATES = ("no_regression",)
"""Gate markers of the contract that a later release decides."""

HELPERS = ("executors", "measure")
"""Markers that configure a measurement."""

MARKERS = (*GATES, *PROVISIONAL_GATES, *HELPERS)
"""Every marker name that is ours."""

EXECUTORS = ("serial", "threads", "processes", "cuda")
"""Executors of this release, as markers and options spell them."""

PROVISIONAL_EXECUTORS = ("asyncio", "dask")
"""Executors of the contract that a later release brings."""

DEFAULT_EXECUTORS = ("threads",)
"""Arms of a comparison that names none."""

PIPELINE_FIXTURES = ("pipeline", "parallel_pipeline")
"""Fixtures that compare."""

EXECUTOR_FIXTURES = tuple(f"{name}_executor" for name in EXECUTORS)
"""Fixtures that run one executor directly."""

FIXTURES = (*PIPELINE_FIXTURES, *EXECUTOR_FIXTURES)
"""Every fixture name that is ours."""


STATE: pytest.StashKey[ItemState] = pytest.StashKey()
"""Where `item.stash` keeps what the test has measured; only tests that concern us have it."""

RESULTS: pytest.StashKey[Results] = pytest.StashKey()
"""Where `config.stash` keeps the session's results; only once there is one."""

RESULT = "pipeline_result"
"""Name of the report attribute that carries one test's result, as JSON text.

Text, because execnet refuses anything but the plainest types: one numpy scalar would end the run.
"""

RAISED_BY_HOOKS = (Exception, pytest.skip.Exception, pytest.fail.Exception)
"""What a hook of others may raise without ending anything: the outcomes of pytest are no `Exception`s, and
`pytest.importorskip` in such a hook would skip the test, or cost the end of the session. Ctrl-C still passes.
"""

TURNS: pytest.StashKey[Any] = pytest.StashKey()
"""Where `config.stash` keeps the lock by which threads of one process take turns in measuring."""

PROBLEM = "pipeline_problem"
"""Name of the report attribute that says where a bad marker stands."""

LOST_DEVICE = "pipeline_lost_device"
"""Name of the report attribute that says that CUDA became unusable in the process of this test."""

_SIGNATURES = {
    "speedup": "speedup(min, executor=None, tolerance='5%', cold=False): fail when an executor is not at least `min` times as fast as the baseline",
    "p99_latency": "p99_latency(max, executor=None, tolerance='5%', rate=None): fail when the 99th percentile of the latency per item is above `max`, e.g. '80ms'; with `rate` (items/s) from the intended start",
    "throughput": "throughput(min, executor=None, tolerance='5%'): fail when an executor does not reach `min` items per second of makespan",
    "first_result": "first_result(max, executor=None, tolerance='5%'): fail when the first output takes an executor longer than `max`, e.g. '200ms'",
    "efficiency": "efficiency(min, executor=None, tolerance='5%'): fail when speedup / workers (summed over stages) is below `min`, e.g. '60%'",
    "overlap": "overlap(min, executor=None, tolerance='5%'): fail when fewer than `min` items are in service at once; needs no clock, so it may be decided on any machine",
    "peak_memory": "peak_memory(max, executor=None, tolerance='5%'): fail when an execution adds more than `max`, e.g. '512MB', to the memory of this process and its children",
    "error_rate": "error_rate(max, executor=None, tolerance='5%'): collect errors of stages instead of stopping, and fail when more than the share `max` of the items, e.g. '1%', fails; 0 allows none",
    "executors": "executors(*names): which executors to compare with the baseline, e.g. executors('threads', 'processes')",
    "measure": "measure(budget='30s', max_rounds=100): how long to measure",
}
"""Lines of `pytest --markers`."""


def register_markers(config: pytest.Config) -> None:
    """Make the names known, so that `--strict-markers` passes."""
    for name in MARKERS:
        line = _SIGNATURES.get(name, f"{name}(...): provisional, not in this release")
        config.addinivalue_line("markers", f"{line}  [pytest-pipeline-speedup]")


def concerns_us(item: pytest.Item) -> bool:
    """Return True for a test with a fixture or marker of one of our names.

    Asked of every test of every project, so it only compares names; whose they are comes later.
    """
    fixtures = getattr(item, "fixturenames", ())
    return any(name in FIXTURES for name in fixtures) or any(
        mark.name in MARKERS for mark in item.iter_markers()
    )


def near(name: str, known: Iterable[str]) -> str:
    """Return ` (did you mean 'x'?)` when a known name comes close, else nothing."""
    import difflib  # only when something is wrong: keeps the start of pytest cheap

    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""


def third_party_executors(config: pytest.Config, hook: Any = None) -> dict[str, object]:
    """Ask the hook `pytest_pipeline_executors` and return what all plugins offer, by name.

    `hook` is that of a test (`item.ihook`): without it the conftest files of all folders answer.
    """
    offered: dict[str, object] = {}
    relay = config.hook if hook is None else hook
    for answer in reversed(relay.pytest_pipeline_executors(config=config)):
        offered.update(answer or {})
    return offered


def _installed_executors() -> list[str]:
    """Return the names in the entry-point group; looked up only for a name nobody else knows."""
    from importlib.metadata import entry_points

    return sorted(entry_points(group="pytest_pipeline.executors").names)


def check_executor_name(
    config: pytest.Config, name: str, hook: Any = None, *, hint: str = ""
) -> None:
    """Raise `UsageError` unless `name` is an executor of ours or of a third party.

    `hook` as above; `hint` ends the message for a name that nobody knows.
    """
    from pytest_pipeline.errors import UsageError

    if name in EXECUTORS:
        return
    if name in PROVISIONAL_EXECUTORS:
        raise UsageError(f"executor {name!r} is not in this release")
    known = [*EXECUTORS, *third_party_executors(config, hook), *_installed_executors()]
    if name not in known:
        raise UsageError(
            f"unknown executor {name!r}{near(name, known)}; known: {', '.join(known)}{hint}"
        )
