"""Which items failed, where, and whether concurrency has to do with it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from pytest_pipeline.explain.advice import Advice
from pytest_pipeline.model.failures import FailureLog
from pytest_pipeline.model.trace import ItemFailure

MOST_LINES = 5
"""Failures printed one by one; the report of a thousand helps nobody."""

SOURCE = "source"
"""What the notes of an exception call the iterator of the items."""

_THREAD_BOUND = (
    (
        re.compile("ProgrammingError: .*created in a thread"),
        "connect inside {place}, once per thread (threading.local()), or sqlite3.connect(..., check_same_thread=False)",
    ),
    (
        re.compile("RuntimeError: .*no current event loop in thread"),
        "call asyncio.run(...) inside {place}, which makes a loop of its own",
    ),
    (
        re.compile("ValueError: signal only works in main thread"),
        "call signal.signal in the test itself or in setup=, which run in its thread",
    ),
)
"""What Python says of things that only one thread may use (type and message), and what to do."""


def failure_lines(log: FailureLog) -> tuple[str, ...]:
    """Return one line per kind of failure: stage, first item, type and message, and how often it was kept."""
    kinds = Counter((each.stage, each.error) for each in log.first)
    first = _first_by_kind(log.first)
    lines = [
        f"stage {stage!r}, item {first[stage, error].item}: {error}{_again(times)}"
        for (stage, error), times in kinds.items()
    ]
    rest = log.failed - len(log.first)
    if len(lines) > MOST_LINES:
        lines = [*lines[:MOST_LINES], f"{len(lines) - MOST_LINES} more kinds of failure"]
    if rest > 0:
        lines.append(f"{rest} later failures were counted but not kept in words")
    return tuple(lines)


def failure_advice(log: FailureLog, baseline_log: FailureLog, baseline: str) -> Advice:
    """Return whether the baseline fails as well, and what to try first."""
    if not log.first:
        return Advice("", "")
    first = log.first[0]
    bound = _thread_advice(first.stage, first.error)
    if bound is not None:
        return bound
    alone = f"run stage {first.stage!r} alone on item {first.item}"
    if log is baseline_log:
        return Advice("the baseline itself fails: concurrency is not needed for it", alone)
    counts = f"{baseline_log.failed} of {baseline_log.items} items failed under {baseline}"
    if baseline_log.failed:
        return Advice(f"{counts} too: the failures do not come from concurrency alone", alone)
    return Advice(
        f"{counts}: the failures come with concurrency",
        f"look for what stage {first.stage!r} shares between items (connections, caches, limits of a service)",
    )


def raised_advice(stage: str, error: str, baseline: str, *, has_run: bool) -> Advice:
    """Return what to try when `stage` raised and nothing counts its failures.

    `error` is its type and message. `has_run` when the baseline had gone through all the items once, so that neither stage nor item alone is wrong.
    """
    bound = _thread_advice(stage, error)
    if bound is not None:
        return bound
    if has_run:
        return Advice(
            f"{baseline} had run all the items once without it: it comes with concurrency, or with running again",
            f"look for what stage {stage!r} shares between items or keeps between executions "
            "(connections, open files, caches); setup= can put it back",
        )
    return Advice(
        f"{baseline} itself fails: concurrency is not needed for it",
        "iterate over the items alone"
        if stage == SOURCE
        else f"run stage {stage!r} alone on that item; @pytest.mark.error_rate(max=...) counts failed items instead",
    )


def _thread_advice(stage: str, error: str) -> Advice | None:
    """Return what to do where a stage cannot use something only because it runs in another thread than the test."""
    place = "the callable of the items" if stage == SOURCE else "the stage"
    for said, step in _THREAD_BOUND:
        if said.match(error):
            cause = "only one thread may use this, and stages run in threads of their own, those of serial too"
            return Advice(cause, step.format(place=place))
    return None


def _first_by_kind(failures: Iterable[ItemFailure]) -> dict[tuple[str, str], ItemFailure]:
    first: dict[tuple[str, str], ItemFailure] = {}
    for each in failures:
        first.setdefault((each.stage, each.error), each)
    return first


def _again(times: int) -> str:
    return f" (and {times - 1} more like it)" if times > 1 else ""
