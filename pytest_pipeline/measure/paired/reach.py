"""Gates that this plan can never meet, or these rounds never miss: found before the rounds."""

from __future__ import annotations

import math

from pytest_pipeline.measure.budget import STREAK_ROUNDS
from pytest_pipeline.measure.trial import Trial
from pytest_pipeline.stats.ladder import rounds_to_decide


def never_met(trial: Trial) -> dict[int, str]:
    """Return why, by gate (id), for those that the plan cannot reach."""
    found = {}
    for gate in trial.overlap_gates:
        lane = trial.lane(gate.executor)
        why = "" if lane.profile is None else gate.out_of_reach(lane.width, lane.profile)
        if why:
            found[id(gate)] = why
    return found


def never_missed(trial: Trial, sub_pairs: int) -> dict[int, str]:
    """Return why, by gate (id), for those of which `max_rounds` holds no miss: they could skip a regression, not fail it.

    `sub_pairs` executions of each arm make a round.
    """
    rounds = rounds_to_decide(trial.errors.missed) + STREAK_ROUNDS
    least = {id(gate): rounds for gate in trial.ladder_gates}
    least |= {
        id(gate): math.ceil(gate.executions_to_miss / sub_pairs) for gate in trial.overlap_gates
    }
    return {
        gate: f"max_rounds={trial.max_rounds} cannot hold a miss, which takes {needed} rounds at least; "
        f"next: write @pytest.mark.measure(max_rounds={needed}) or more, or leave max_rounds out"
        for gate, needed in least.items()
        if trial.max_rounds < needed
    }
