"""What an arm costs besides service, as the profile shows it: hand-over, waiting and shipping.

`costed_line` puts these costs into the plan that a prediction simulates.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pytest_pipeline.explain.ceiling import Line
from pytest_pipeline.explain.profile import stage_summaries
from pytest_pipeline.explain.profiled import Layout, Profiled
from pytest_pipeline.model.plan import Plan
from pytest_pipeline.model.trace import Trace
from pytest_pipeline.model.whatif import Shipping

MESSAGE_S = 22e-6
"""Seconds per item for a round trip of small messages, two workers on a raw pipe each. Measured on two cores, CPython 3.11."""

BYTES_PER_S = 5.7e9
"""Bytes per second of an 8 MB array through a socket into a recycled buffer. Measured on the same machine."""

MOST_HANDOVER_S = 50e-6
"""Hand-over per visit that is believed: two wake-ups of 23 us (the same machine). More is waiting for the GIL."""

WAITS = 0.2
"""CPU share below which a stage waits; a computing one beside a neighbour still has more."""

APPROXIMATIONS = 3
"""A stage that waits longer leaves the others more of the cores: after three steps little is left to correct."""

NOTHING = Shipping(0, 0, 0, 0)
"""Stands for costs that were not sampled."""


def costed_line(
    arm: Profiled, plan: Plan | None = None, baseline: Trace | None = None, *, grouped: int = 1
) -> Line:
    """Return the plan as the simulation sees it under this arm, with what this arm was measured to cost besides service.

    `plan` and `baseline`, its execution, stand in for the arm's own where other batches are asked for; `grouped` of
    what travels now go as one.
    """
    plan = plan or arm.plan
    line = arm.line(plan, baseline, grouped=grouped)
    match arm.layout:
        case Layout.STAGED:
            # A hop is paid once for all that travels together.
            fewer = arm.together(arm.plan) / (grouped * arm.together(plan))
            hops_s = [fewer * each for each in handover_s(arm)]
            return _contended(arm, line.slowed(hops_s).slowed(_waits_s(arm)))
        case Layout.RELAYED:
            return line.slowed(_shipping_s(arm)).slowed(_waits_s(arm))
        case Layout.POOLED:
            return line.slowed(handover_s(arm))
        case Layout.FUSED:
            saved_s = (1 - 1 / grouped) * MESSAGE_S / 2 / arm.together(plan)
            worker_s = max(0.0, _pool_overhead_s(arm) - saved_s)
            return shipped(line, arm.shipping or NOTHING, worker_s=worker_s)


def _waits_s(arm: Profiled) -> tuple[float, ...]:
    """Return what a visit of each stage that waits takes longer here than in the baseline, seconds.

    Waiting for a lock, or for the GIL at every wake-up, comes with this arm; a stage that computes
    is stretched by the simulation itself.
    """
    there = {stage.name: stage for stage in stage_summaries(arm.baseline)}
    here = {stage.name: stage for stage in stage_summaries(arm.trace)}
    waiting = {
        name
        for name, stage in there.items()
        if name in here and stage.cpu_share is not None and stage.cpu_share < WAITS
    }
    return tuple(
        max(0.0, here[name].service_mean_s - there[name].service_mean_s) if name in waiting else 0.0
        for name in arm.baseline.stage_names
    )


def _contended(arm: Profiled, line: Line) -> Line:
    """Return `line` with what a visit of each stage was measured to take longer in this arm than is simulated.

    Sharing cores and the GIL alike is what the simulation knows. A thread that released the GIL waits
    for it anew, up to a switch interval of 5 ms each time, and memory bandwidth and caches are shared
    too: such waiting comes with this arm, and grows with the number of other workers (`Line.staffed`).
    """
    if (arm.plan.is_batched and line.items_each > 1) or not len(line.service_s):
        return line  # visits of other batches than the arm's own cannot be compared
    here = {stage.name: stage.service_mean_s for stage in stage_summaries(arm.trace)}
    measured_s = line.items_each * arm.pace * np.array([here.get(name, 0.0) for name in line.names])
    for _ in range(APPROXIMATIONS):
        simulated_s = np.array(line.flow().busy_s) / len(line.service_s)
        line = line.delayed(np.maximum(0.0, measured_s - simulated_s))
    return line


def handover_s(arm: Profiled) -> tuple[float, ...]:
    """Return the executor's own measured time per item and stage, seconds."""
    rows, line = arm.trace.stages, arm.line()
    most = MOST_HANDOVER_S / line.items_each
    return tuple(
        min(most, rows[name].handover_s / arm.items) if name in rows else 0.0 for name in line.names
    )


def _shipping_s(arm: Profiled) -> tuple[float, ...]:
    """Return what the processes of each stage were measured to spend on an item beside its service, seconds."""
    rows = arm.trace.stages
    return tuple(
        (rows[name].serialisation_s + rows[name].transfer_s) / arm.items if name in rows else 0.0
        for name in arm.baseline.stage_names
    )


def _pool_overhead_s(arm: Profiled) -> float:
    """Return what a worker process was measured to spend on an item beside its service, seconds."""
    rows = arm.trace.ledger.rows
    spent = sum(row.serialisation_s + row.transfer_s for row in rows)
    return spent / arm.items


def shipped(line: Line, shipping: Shipping, *, worker_s: float) -> Line:
    """Return the line of processes behind the parent that sends their items and takes their outputs."""
    carried = shipping.item_bytes + shipping.output_bytes
    each = line.items_each
    sender_s = each * (shipping.sender_s + carried / BYTES_PER_S) + MESSAGE_S / 2
    first = len(line.names) - 1
    rows = line.service_s
    return replace(
        line,
        names=(*line.names[:first], "(sender)", line.names[first]),
        service_s=np.column_stack(
            [rows[:, :first], np.full(len(rows), sender_s), rows[:, first:] + each * worker_s]
        ),
        workers=(*line.workers[:first], 1, line.workers[first]),
        queue_sizes=(*line.queue_sizes[:first], line.queue_sizes[first], 0),
        cpu_shares=(*line.cpu_shares[:first], 1.0, line.cpu_shares[first]),
        # Source and sender share the parent's interpreter; without a source nobody contends.
        gil_shares=(*line.gil_shares[:first], 1.0 if any(line.gil_shares) else 0.0, 0.0),
    )
