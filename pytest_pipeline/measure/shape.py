"""How long a round is and how often each arm runs in it: chosen once, after warm-up."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

LONG_ARM_S = 0.25
"""An arm longer than this gets a control beside it and an in-arm signal (A9.2)."""

SHORT_ROUND_S = 0.5
"""Up to this length one clean control of two is enough: the minimum needs one clean window (A8)."""

SUB_PAIRS = 3
"""Sub-pairs of a round of short arms (A8)."""

LONG_PAIR_S = 0.7
"""A pair longer than this is its own round: three of them would eat the budget."""

SHORTEST_SAMPLE_S = 0.1
"""The item list is executed again until the baseline's sample is this long (A7)."""

LONGEST_REPEATED_S = 0.5
"""Repeating stops where the slowest arm's sample would become longer than this."""

MOST_REPEATS = 200
"""Repeats of a plan that takes next to nothing."""

QUOTA_ARM_S = 0.5
"""Length of the shortest arm beside a CPU quota: five periods of 0.1 s outlast what was saved up (A9.5)."""

MOST_QUOTA_REPEATS = 1000
"""Repeats of a plan that takes next to nothing, beside a quota."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How a round of this plan looks; fixed after warm-up, before any round is judged."""

    repeats: int
    """Executions per sample."""
    sub_pairs: int
    """Times each arm runs in a round."""
    has_long_arms: bool
    """Whether controls stand between the arms and the in-arm signal counts."""
    is_short: bool
    """Whether the minimum of the controls decides."""


def choose_shape(
    samples_s: Mapping[str, float], baseline: str, *, is_limited: bool = False
) -> Shape:
    """Return the shape from the makespan of one execution per arm; `is_limited` by a CPU quota.

    A quota lets short arms, and the control kernel, use more for a moment than it sustains: quota 1,
    width 2 and arms of 0.1 s show up to 2.15x where 1.0x is true (A9.5).
    """
    if is_limited:
        repeats = math.ceil(QUOTA_ARM_S / max(1e-6, min(samples_s.values())))
        return Shape(min(repeats, MOST_QUOTA_REPEATS), 1, has_long_arms=True, is_short=False)
    wanted = math.ceil(SHORTEST_SAMPLE_S / max(1e-6, samples_s[baseline]))
    affordable = math.floor(LONGEST_REPEATED_S / max(1e-6, *samples_s.values()))
    repeats = max(1, min(wanted, affordable, MOST_REPEATS))
    arms = {name: seconds * repeats for name, seconds in samples_s.items()}
    pair = sum(arms.values()) + (arms[baseline] if len(arms) > 2 else 0.0)  # it runs at both ends
    sub_pairs = SUB_PAIRS if pair <= LONG_PAIR_S else 1
    return Shape(
        repeats=repeats,
        sub_pairs=sub_pairs,
        has_long_arms=max(arms.values()) > LONG_ARM_S,
        is_short=pair * sub_pairs <= SHORT_ROUND_S,
    )
