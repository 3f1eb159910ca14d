"""Before the rounds: what each arm with a gate on its speedup can reach at most."""

from __future__ import annotations

from pytest_pipeline.assembling.arms import ArmMaker
from pytest_pipeline.explain.outlook import ceiling_sentence
from pytest_pipeline.measure.lane import Lane
from pytest_pipeline.measure.trial import Measured, Trial
from pytest_pipeline.model.requirement import Quantity, Requirement


def outlook(trial: Trial, measured: Measured) -> list[str]:
    """Return a sentence per arm, and another where its start-up counts, from the profiles and samples taken so far."""
    maker = ArmMaker(trial, measured)
    sentences = []
    for lane in trial.candidates:
        profiled = maker.profiled(lane)
        if profiled is None or not profiled.has_line:
            continue
        for cold in (False, True):
            demands = _demands(trial, lane, cold=cold)
            strictest = max(demands, key=lambda each: each.effective_limit, default=None)
            if strictest is None:
                continue
            sentences.append(
                ceiling_sentence(
                    lane.name,
                    profiled.line(),
                    asked=strictest.limit,
                    effective=strictest.effective_limit,
                    start_up=maker.start_up(lane) if cold else None,
                    longest_s=profiled.longest_s,
                )
            )
    return sentences


def _demands(trial: Trial, lane: Lane, *, cold: bool) -> list[Requirement]:
    return [
        gate.requirement
        for gate in trial.ladder_gates
        if gate.executor == lane.name
        and gate.requirement.quantity is Quantity.SPEEDUP
        and gate.requirement.cold == cold
    ]
