"""Whether a run is too short for its plan: a line of stages fills and drains once, however many items there are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from pytest_pipeline.explain.advice import WORTHWHILE
from pytest_pipeline.explain.ceiling import MOST_VISITS, Line
from pytest_pipeline.explain.profiled import Profiled
from pytest_pipeline.model.whatif import WhatIf

TIMES = 10
"""How many times the items are simulated."""


def in_longer_run(line: Line, longest_s: float) -> float | None:
    """Return the bound on the speedup with ten times the items; None where that gains less than 5 %.

    None as well where executions of both arms would then take longer than `longest_s` together: no budget holds them.

    For n equal items and one worker per stage the bound is n x sum / (sum + (n - 1) x max): four items
    reach 1.6x in two equal stages, forty 1.95x. Of more items than are simulated the line is full anyway.
    """
    if TIMES * line.service_s.size > MOST_VISITS:
        return None
    longer = replace(
        line, service_s=np.tile(line.service_s, (TIMES, 1)), serial_s=TIMES * line.serial_s
    )
    bound = longer.speedup()
    is_too_long = longer.serial_s * (1 + 1 / bound) > longest_s
    return None if is_too_long or bound < WORTHWHILE * line.speedup() else bound


def more_items(arm: Profiled, line: Line) -> Iterator[WhatIf]:
    """Predict ten times the items where that gains noticeably; `line` is the plan under this arm, with its costs."""
    predicted = in_longer_run(line, arm.longest_s)
    if predicted is None:
        return
    few = "1 item" if arm.items == 1 else f"{arm.items} items"
    yield WhatIf(
        change=f"{TIMES} times as many items",
        code="",
        predicted_speedup=predicted,
        effort=1,
        basis=f"with {few} the workers idle for much of the run, while it begins and ends",
        times_items=TIMES,
    )
