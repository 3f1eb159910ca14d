"""What a plan can reach at most, said before it is measured: the number, and what holds it there."""

from __future__ import annotations

import math
from dataclasses import replace

from pytest_pipeline.explain.ceiling import Line
from pytest_pipeline.explain.cold import StartUp
from pytest_pipeline.explain.more_items import TIMES, in_longer_run
from pytest_pipeline.model.units import show_seconds

MATTERS = 1.05
"""Ratio of the bounds without and with a limit from which that limit is named as the cause."""

MILLISECOND = 0.001
"""Seconds per item from which they are told in milliseconds."""


def ceiling_sentence(
    executor: str,
    line: Line,
    *,
    asked: float,
    effective: float,
    start_up: StartUp | None = None,
    longest_s: float = math.inf,
) -> str:
    """Return `threads: asks 2.00x, this plan reaches at most 1.67x (...)`; an explanation, never a verdict.

    `asked` is the limit of the strictest gate, `effective` the same with its tolerance (ratios);
    `start_up` is given where it counts; `longest_s` as of `Profiled`.
    """
    warm = line.speedup()
    bound, held, condition = warm, "", ""
    if start_up is not None:
        bound, condition = start_up.counted(warm), " with start-up"
        if warm >= MATTERS * bound:
            held = f"start-up takes {show_seconds(start_up.seconds)}; without it {warm:.2f}x"
    reach = "reaches at most" if bound < effective else "can reach"
    return (
        f"{executor}: asks {asked:.2f}x{condition}, this plan {reach} {bound:.2f}x "
        f"({held or _held_by(line, warm, longest_s)})"
    )


def _held_by(line: Line, bound: float, longest_s: float) -> str:
    free = replace(line, gil_shares=(0.0,) * len(line.names))
    without_gil = free.speedup()
    if without_gil >= MATTERS * bound:
        return f"the GIL lets one thread compute at a time; without it {without_gil:.2f}x"
    if replace(free, cores=math.inf).speedup() >= MATTERS * bound:
        return f"{line.cores:g} usable cores"
    slow, items = line.slowest(), max(1, len(line.service_s) * line.items_each)
    count = line.workers[slow]
    mine_s, all_s = line.service_s[:, slow].sum() / items, line.serial_s / items
    workers = "1 worker" if count == 1 else f"{count} workers"
    longer = in_longer_run(line, longest_s)
    more = "" if longer is None else f"; with {TIMES} times as many items {longer:.2f}x"
    unit, factor = ("ms", 1e3) if all_s >= MILLISECOND else ("us", 1e6)
    shares = f"{mine_s * factor:.1f} of {all_s * factor:.1f} {unit} per item"
    return f"stage {line.names[slow]!r}, {workers}, {shares}{more}"
