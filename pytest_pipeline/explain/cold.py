"""Gates that count start-up: what of a speedup it leaves, and what to do when that is too little."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from pytest_pipeline.explain.advice import Advice, advise
from pytest_pipeline.explain.ceiling import Host
from pytest_pipeline.model.comparison import Arm
from pytest_pipeline.model.units import show_seconds, show_share
from pytest_pipeline.model.whatif import WhatIf


@dataclass(frozen=True, slots=True)
class StartUp:
    """What starting an arm's workers adds to each of its makespans."""

    seconds: float
    """Start-up of the workers as declared, seconds."""
    baseline_s: float
    """Makespan of the baseline, whose own start-up does not count, seconds."""

    @property
    def most(self) -> float:
        """The cold speedup of a run that takes no time beside its start-up, ratio."""
        return self.baseline_s / self.seconds if self.seconds else math.inf

    def counted(self, speedup: float, growth: float = 1.0) -> float:
        """Return the cold speedup that a warm one amounts to; `growth` is the start-up over the declared one, ratio."""
        if speedup <= 0 or self.baseline_s <= 0:
            return speedup
        return self.baseline_s / (self.baseline_s / speedup + growth * self.seconds)


def cold_advice(
    arm: Arm, baseline: Arm, limit: float, host: Host, start_up: StartUp, *, call: str = "Threads()"
) -> Advice:
    """Return cause and next step for an arm that missed `limit` (a ratio) with its start-up counted; `call` as for `advise`."""
    cold = _with_start_up(arm, start_up)
    advice = advise(cold, baseline, limit, host, call=call)
    whole_s = start_up.seconds + (arm.makespan_s or 0.0)
    share = start_up.seconds / whole_s if whole_s else 0.0
    cause = (
        f"start-up, counted in every speedup here, takes {show_seconds(start_up.seconds)}, "
        f"{show_share(share)} of the cold makespan"
    )
    step = advice.next_step
    if _is_held_by_start_up(arm, limit, start_up) and not _is_reached_by_a_change(cold, limit):
        left = show_seconds(start_up.baseline_s / limit)
        step = (
            "fewer workers, workers that stay open (cold=False), or more items per run: "
            f"{limit:.2f}x leaves {left} for start-up and run together"
        )
    return Advice("; ".join(filter(None, [cause, advice.cause])), step)


def _with_start_up(arm: Arm, start_up: StartUp) -> Arm:
    """Return `arm` with the start-up counted in its speedup, its ceiling and its predictions.

    Nobody measured what another executor takes to start, nor what the baseline takes with other batches.
    """
    bottleneck = arm.bottleneck
    if bottleneck is not None and bottleneck.ceiling is not None:
        bottleneck = replace(bottleneck, ceiling=start_up.counted(bottleneck.ceiling))
    return replace(
        arm,
        speedup=arm.cold_speedup,
        bottleneck=bottleneck,
        what_ifs=tuple(
            replace(each, predicted_speedup=_cold(each, arm, start_up))
            for each in arm.what_ifs
            if each.throughput_gain is None and not (each.setting and each.setting.executor)
        ),
    )


def _cold(change: WhatIf, arm: Arm, start_up: StartUp) -> float:
    """Return the predicted cold speedup: more workers take as much longer to start, more items make less of that."""
    setting = change.setting
    more = change.effort if setting is not None and (setting.workers or setting.pool) else 0
    growth = 1 + more / max(1, arm.workers)
    return start_up.counted(change.predicted_speedup, growth / change.times_items)


def _is_held_by_start_up(arm: Arm, limit: float, start_up: StartUp) -> bool:
    """Whether no run is short enough for the limit, or this one is when its start-up does not count."""
    is_enough_warm = arm.speedup is not None and arm.speedup.value >= limit
    return is_enough_warm or start_up.most < limit


def _is_reached_by_a_change(cold: Arm, limit: float) -> bool:
    return any(each.predicted_speedup >= limit for each in cold.what_ifs if not each.is_current)
