"""When handing items over costs too much beside the stages: the chunk that would make it small."""

from __future__ import annotations

import math

from pytest_pipeline.model.calls import changed
from pytest_pipeline.model.comparison import Arm
from pytest_pipeline.model.units import show_seconds, show_share

NOTICEABLE = 0.05
"""Share of a stage's service time from which the hand-over is worth saving."""

MOST = 1000
"""The largest chunk that is proposed."""


def chunk_step(arm: Arm, call: str = "Threads()") -> str:
    """Return the advice to hand over more items at a time, or an empty string; `call` makes the arm's executor.

    It takes a hand-over above 5 % of the quickest stage's service and of the bottleneck's: beside
    a slow bottleneck a chunk would only make every item later.
    """
    ledger, items = arm.ledger, arm.item_ledger
    if not call.startswith("Threads(") or ledger is None or items is None or not ledger.rows:
        return ""
    if any(not row.workers for row in ledger.rows):
        return ""
    # The median row: one worker that was held up by the machine is no reason for a chunk.
    costs = sorted(row.handover_s / items.num_emitted for row in ledger.rows)
    hop_s = costs[len(costs) // 2]
    service = {stage.name: stage.service_mean_s for stage in arm.stages}
    quickest = min(service, key=lambda name: service[name])
    limiting_s = service.get(arm.bottleneck.stage, 0.0) if arm.bottleneck is not None else 0.0
    bearable_s = NOTICEABLE * max(service[quickest], limiting_s)
    if hop_s <= bearable_s or items.chunk >= MOST:
        return ""
    # What an item pays was measured with so many of them handed over at a time.
    wanted = items.chunk * hop_s / max(bearable_s, NOTICEABLE * 1e-8)
    share = hop_s / service[quickest] if service[quickest] else math.inf
    cost = f"{show_share(share)} of" if math.isfinite(share) else "more than"
    now = "" if items.chunk == 1 else f" in groups of {items.chunk}"
    chunk = min(MOST, math.ceil(round(wanted, 6)))
    return (
        f"{changed(call, chunk=chunk)}: handing an item over{now} takes {show_seconds(hop_s)}, "
        f"{cost} the service of stage {quickest!r}"
    )
