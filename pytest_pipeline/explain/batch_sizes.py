"""What half and twice the batch would give, predicted from the baseline's executions on full and on half batches.

A call on n items is taken to cost a + b n: the two sizes give a, which every two batches that become one save once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from pytest_pipeline.explain.ceiling import ALL_STAGES, Line
from pytest_pipeline.explain.costs import costed_line
from pytest_pipeline.explain.profiled import Profiled
from pytest_pipeline.model.change import Change
from pytest_pipeline.model.plan import Plan
from pytest_pipeline.model.trace import Floats
from pytest_pipeline.model.units import show_quantity
from pytest_pipeline.model.whatif import HalfBatches, WhatIf


def other_batch_sizes(arm: Profiled) -> Iterator[WhatIf]:
    """Yield the predictions for other batches; none where the baseline was not executed on half batches.

    The baseline takes the same batches, so that a speedup may stay the same while both arms gain, or grow because
    the baseline loses more: each prediction also says what happens to this arm's throughput.
    """
    half = arm.half_batches
    if half is None:
        return
    now = costed_line(arm)
    yield _what_if(
        arm.plan,
        now,
        costed_line(arm, half.plan, half.trace),
        half.plan.batches,
        "the baseline was executed on these batches",
    )
    twice = {name: 2 * size for name, size in arm.plan.batches.items()}
    plan = Change(batch=twice).applied(arm.plan)
    if plan.full_batch <= arm.items:
        saved_s = _fixed_s(arm, half)
        line = costed_line(arm, plan, arm.baseline)
        merged = _without(line, saved_s, times=_batches_each(line, plan))
        costs = " and ".join(
            f"{show_quantity(each, 's')} of {name!r}" for name, each in saved_s.items()
        )
        basis = f"{costs} per call is there however many items it takes: from the baseline on full and on half batches"
        yield _what_if(arm.plan, now, merged, twice, basis)


def _what_if(plan: Plan, now: Line, then: Line, sizes: Mapping[str, int], basis: str) -> WhatIf:
    setting = Change(batch=sizes)
    gain = _per_item_s(now) / _per_item_s(then) if _per_item_s(then) else 1.0
    which = ", ".join(f"batches of {size} for {name!r}" for name, size in sizes.items())
    return WhatIf(
        change=f"{which}: {gain:.2f}x the throughput",
        code=setting.code(plan=plan),
        predicted_speedup=then.speedup(),
        effort=len(sizes),
        basis=basis,
        setting=setting,
        throughput_gain=gain,
    )


def _per_item_s(line: Line) -> float:
    return line.makespan_s() / max(1, len(line.service_s) * line.stands_for * line.items_each)


def _fixed_s(arm: Profiled, half: HalfBatches) -> dict[str, float]:
    """Return what a call costs whatever it takes, per batched column of the arm's line, seconds.

    Medians, since the last batch may be smaller and any one may have been disturbed.
    """
    full = arm.line()
    of_full = _batch_s(full, arm.plan)
    of_half = _batch_s(arm.line(half.plan, half.trace), half.plan)
    fixed = np.clip(2 * of_half - of_full, 0.0, of_full)
    batched = {*arm.plan.batches, ALL_STAGES}
    return {
        name: float(each) for name, each in zip(full.names, fixed, strict=True) if name in batched
    }


def _batch_s(line: Line, plan: Plan) -> Floats:
    """Return the seconds of a batch in each column; several of them may travel as one."""
    return np.asarray(np.median(line.service_s, axis=0) / _batches_each(line, plan))


def _batches_each(line: Line, plan: Plan) -> int:
    return math.ceil(line.items_each / plan.full_batch)


def _without(line: Line, saved_s: Mapping[str, float], *, times: int) -> Line:
    """Return `line`, and its baseline, with `times` these seconds less in every row."""
    saved = times * np.array([saved_s.get(name, 0.0) for name in line.names])
    return replace(
        line,
        service_s=np.maximum(0.0, line.service_s - saved),
        serial_s=max(0.0, line.serial_s - len(line.service_s) * float(saved.sum())),
    )
