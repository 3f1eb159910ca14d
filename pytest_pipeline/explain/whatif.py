"""What a change of workers, executor, grouping or queues would give, predicted from one profile.

Every prediction is one simulation of the changed plan (`stats.flow`) on the service times that the
baseline's items had one by one, with the costs of hand-over and of shipping added. Bounded: at most
stages + 14 simulations of at most 2,000 visits: 15 ms each for three stages, 0.25 s for eight of three workers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from pytest_pipeline.explain.batch_sizes import other_batch_sizes
from pytest_pipeline.explain.ceiling import HOLDS, Line, fused_line, staged_line
from pytest_pipeline.explain.costs import (
    BYTES_PER_S,
    MESSAGE_S,
    costed_line,
    handover_s,
    shipped,
)
from pytest_pipeline.explain.more_items import more_items
from pytest_pipeline.explain.profiled import Layout, Profiled
from pytest_pipeline.model.calls import changed
from pytest_pipeline.model.change import Change
from pytest_pipeline.model.plan import SOURCE_STAGE
from pytest_pipeline.model.units import show_seconds, show_share
from pytest_pipeline.model.whatif import WhatIf

KEEP = "keep as it is"
"""`WhatIf.change` of the plan as declared."""

CHUNK = 10
"""What travels as one in the prediction of chunks, now apart: a hop then costs a tenth per item."""

BLOCKED = 0.05
"""Share of a stage's worker time spent blocked from which a longer queue is worth a simulation."""

LONGER = 4
"""Factor by which the predicted queue is longer."""

NOTEWORTHY_HOPS = 0.02
"""Hand-over / service from which chunks are worth a simulation."""


def what_ifs(arm: Profiled) -> tuple[WhatIf, ...]:
    """Return the predictions, best first; the plan as declared is among them.

    Ties stand in the order of least effort. The slots of a device are no workers that could be added, nor is its
    work done by processes: of an arm with devices only other batches are predicted.
    """
    if not arm.trace.ledger.rows:
        return ()
    found, line = list(other_batch_sizes(arm)), costed_line(arm)
    if not arm.trace.devices:
        found = [*_without_devices(arm, line), *more_items(arm, line), *found]
    elif found:
        found.insert(0, _as_it_is(line))
    return tuple(sorted(found, key=lambda each: (-each.predicted_speedup, each.effort)))


def _without_devices(arm: Profiled, line: Line) -> Iterator[WhatIf]:
    """Yield the plan as declared, and the same with other workers, queues, chunks or another executor."""
    match arm.layout:
        case Layout.STAGED:
            return _staged(arm, line)
        case Layout.RELAYED:
            return _relayed(arm, line)
        case Layout.POOLED | Layout.FUSED:
            return _pooled(arm, line)


def _as_it_is(line: Line) -> WhatIf:
    return WhatIf(KEEP, "", line.speedup(), 0, setting=Change())


def _staged(arm: Profiled, line: Line) -> Iterator[WhatIf]:
    yield from _stage_by_stage(arm, line)
    yield from _processes_instead(arm)
    if arm.call:
        yield from _chunked(arm, line, sum(handover_s(arm)), call=arm.call)


def _relayed(arm: Profiled, line: Line) -> Iterator[WhatIf]:
    yield from _stage_by_stage(arm, line)
    yield from _threads_instead(arm)


def _stage_by_stage(arm: Profiled, line: Line) -> Iterator[WhatIf]:
    yield _as_it_is(line)
    for k, name in enumerate(line.names):
        if name != SOURCE_STAGE:
            yield _more_workers(arm, line, k)
    yield from _best_pair(arm, line)
    yield from _longer_queue(arm, line)


def _pooled(arm: Profiled, line: Line) -> Iterator[WhatIf]:
    yield _as_it_is(line)
    yield from _wider_pool(arm, line)
    if arm.layout is Layout.POOLED:
        yield from _processes_instead(arm)
        return
    yield from _threads_instead(arm)
    if arm.call:
        yield from _chunked(arm, line, MESSAGE_S / line.items_each, call=arm.call)


def _wider_pool(arm: Profiled, line: Line) -> Iterator[WhatIf]:
    """Predict one more worker where the pool is one of ours: of another executor nobody knows what to write."""
    more = arm.width + 1
    if arm.call:
        yield WhatIf(
            f"{more} workers instead of {arm.width}",
            changed(arm.call, workers=more),
            line.widened(len(line.names) - 1).speedup(),
            1,
            setting=Change(pool=more),
        )


def _more_workers(arm: Profiled, line: Line, *stages: int) -> WhatIf:
    wide = line.widened(*stages)
    changed = sorted(set(stages))
    setting = Change(workers={line.names[k]: wide.workers[k] for k in changed})
    return WhatIf(
        change=", ".join(f"{wide.workers[k]} workers for {line.names[k]!r}" for k in changed),
        code=setting.code(plan=arm.plan),
        predicted_speedup=wide.speedup(),
        effort=len(stages),
        basis=_gil_text(arm, line, changed),
        setting=setting,
    )


def _best_pair(arm: Profiled, line: Line) -> Iterator[WhatIf]:
    """Give a worker to the busiest stage, then another to the then busiest: that is the best pair for the bottleneck."""
    first = line.slowest()
    second = line.widened(first).slowest()
    if SOURCE_STAGE not in {line.names[first], line.names[second]}:
        yield _more_workers(arm, line, first, second)


def _gil_text(arm: Profiled, line: Line, stages: list[int]) -> str:
    return "; ".join(
        f"{line.names[k]!r} {arm.host.seen(line.names[k])} the GIL for {show_share(line.gil_shares[k])} of its service time: threads cannot overlap that"
        for k in stages
        if line.gil_shares[k] > HOLDS
    )


def _processes_instead(arm: Profiled) -> Iterator[WhatIf]:
    shipping, workers = arm.shipping, max(1, int(arm.host.cores))
    if arm.has_measured("Processes") or shipping is None or shipping.refusal:
        return
    line = fused_line(arm.plan, arm.baseline, arm.host, workers=workers)
    carried = shipping.item_bytes + shipping.output_bytes
    # A batch travels in one message.
    worker_s = shipping.worker_s + MESSAGE_S / 2 / line.items_each + carried / BYTES_PER_S
    yield WhatIf(
        change=f"{workers} processes instead of threads",
        code='executors=["processes"]',
        predicted_speedup=shipped(line, shipping, worker_s=worker_s).speedup(),
        effort=1,
        basis=f"{_size(carried)} per item: pickling sampled at {(shipping.sender_s + shipping.worker_s) * 1e6:.0f} us, "
        f"{MESSAGE_S * 1e6:.0f} us a message and {BYTES_PER_S / 1e9:.1f} GB/s measured elsewhere; workers already started",
        setting=Change(executor="processes", pool=workers),
    )


def _threads_instead(arm: Profiled) -> Iterator[WhatIf]:
    if arm.has_measured("Threads"):
        return
    line = staged_line(arm.plan, arm.baseline, arm.host)
    slow = line.slowest()
    yield WhatIf(
        change="threads instead of processes",
        code='executors=["threads"]',
        predicted_speedup=line.speedup(),
        effort=1,
        basis=_gil_text(arm, line, [slow]),
        setting=Change(executor="threads"),
    )


def _longer_queue(arm: Profiled, line: Line) -> Iterator[WhatIf]:
    """Predict more room behind the stage whose workers wait longest for it."""
    rows, makespan_s = arm.trace.stages, arm.trace.makespan_s
    blocked = [
        rows[name].blocked_s / max(1e-9, rows[name].workers * makespan_s) if name in rows else 0.0
        for name in line.names[:-1]
    ]
    if not blocked or max(blocked) < BLOCKED:
        return
    behind = int(np.argmax(blocked)) + 1
    room = line.queue_sizes[behind] * LONGER
    sizes = tuple(room if k == behind else size for k, size in enumerate(line.queue_sizes))
    setting = Change(queue_size={line.names[behind]: room})
    yield WhatIf(
        change=f"a queue of {room} before {line.names[behind]!r}",
        code=setting.code(plan=arm.plan),
        predicted_speedup=replace(line, queue_sizes=sizes).speedup(),
        effort=1,
        basis=f"{line.names[behind - 1]!r} was blocked for {show_share(max(blocked))} of its worker time",
        setting=setting,
    )


def _chunked(arm: Profiled, line: Line, hop_s: float, *, call: str) -> Iterator[WhatIf]:
    """Predict ten times as many items handed over at a time; `hop_s` is what each of them pays now."""
    rows = len(line.service_s)
    if arm.plan.is_batched or rows < 2 * CHUNK:
        return  # batches are such groups already
    if rows * line.items_each * hop_s < NOTEWORTHY_HOPS * float(line.service_s.sum()):
        return
    chunk = CHUNK * arm.together(arm.plan)
    yield WhatIf(
        change=f"{chunk} items handed over at a time",
        code=changed(call, chunk=chunk),
        predicted_speedup=costed_line(arm, grouped=CHUNK).speedup(),
        effort=len(line.names),
        basis=f"handing an item on takes {show_seconds(hop_s)}, in a group of {chunk} a tenth of that",
    )


def _size(count: float) -> str:
    for unit, factor in (("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count:.0f} bytes"
