"""Interleaved rounds of our worker processes and the peers, on the same items."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from statistics import median
from typing import Any

from _process_peers import BASELINE, HERE, WORKERS
from _rounds import Run, interleave, timed

from pytest_pipeline.executors.processes import Processes
from pytest_pipeline.model.plan import Source, make_plan


def null(item: Any) -> Any:
    return item


def ours(fn: Callable[[Any], Any], items: Sequence[Any], **options: Any) -> tuple[Run, Any]:
    """Return a run of our executor, its makespan as the product reports it, and the open executor."""
    running = Processes(workers=WORKERS, **options).open(make_plan([fn]))
    source = Source(lambda: iter(items))
    return lambda: running.run(source).makespan_s, running


def compare(
    fn: Callable[[Any], Any],
    items: Sequence[Any],
    arms: dict[str, dict[str, Any]],
    *,
    rounds: int,
    chunk: int = 1,
    is_echo: bool = False,
    peers: Sequence[str] = tuple(HERE),
    beside: Mapping[str, Run] | None = None,
) -> dict[str, list[float]]:
    """Return the seconds per item of ours and of the peers, from interleaved rounds.

    An echo is about items that have to be sent: peers whose workers were born with them are left out.
    `beside` are runs over as many items that need no workers: plain copies, say.
    """
    runs: dict[str, Run] = {}
    peers = [name for name in peers if not is_echo or HERE[name].sends_items]
    counts = {name: len(items) for name in (*peers, *arms)}
    with contextlib.ExitStack() as stack:
        for name in peers:  # first: those that fork do so before our threads exist
            few = items[: max(8, len(items) // 10)] if HERE[name].is_slow else items
            counts[name] = len(few)
            opened = stack.enter_context(HERE[name].open())
            runs[name] = timed(partial(_drain, opened, fn, few, chunk))
        for name, options in arms.items():
            runs[name], running = ours(fn, items, **options)
            stack.callback(running.close)
        runs |= beside or {}
        counts |= dict.fromkeys(beside or {}, len(items))
        found = interleave(runs, baseline=peers[0], rounds=rounds).makespans_s
    return {name: [each / counts[name] for each in seconds] for name, seconds in found.items()}


def _drain(opened: Any, fn: Callable[[Any], Any], items: Sequence[Any], chunk: int) -> list[Any]:
    """Take all the outputs and hold them until the last: so do ours."""
    return list(opened(fn, items, chunk))


def ratios(found: dict[str, list[float]], name: str, *, to: str = BASELINE) -> list[float]:
    """Return how many times as fast as `to`, round by round."""
    return [base / mine for base, mine in zip(found[to], found[name], strict=True)]


def best_peer(found: dict[str, list[float]]) -> str:
    """Return the peer with the smallest median."""
    return min((name for name in found if name in HERE), key=lambda name: median(found[name]))
