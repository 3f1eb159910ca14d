"""Gates of a comparison in which every arm was executed once and nothing was measured."""

from __future__ import annotations

from pytest_pipeline.judge.conclude import Circumstances, conclude, without_rounds
from pytest_pipeline.judge.failures import ErrorRateGate
from pytest_pipeline.judge.gate import Gate, Status
from pytest_pipeline.model.finding import Finding, Reason, Verdict


def conclude_once(gate: Gate) -> Finding:
    """Return the finding of `gate`, which is not run unless its one execution shows a pipeline that is broken.

    Where errors are collected nothing else would say so: no exception ends the run, and without outputs
    there is nothing to compare.
    """
    label, arm = gate.requirement.label, gate.executor
    if isinstance(gate, ErrorRateGate) and gate.is_exact and gate.status is Status.MISSED:
        return conclude(gate, gate.estimate(()), Circumstances())
    if isinstance(gate, ErrorRateGate) and gate.has_only_failed:
        text = (
            f"{label} not run ({arm}): {gate.counted} in the one execution, "
            "so that no output could be compared"
        )
        return without_rounds(gate.requirement, arm, Verdict.INVALID, Reason.STAGE_RAISED, text)
    text = f"{label} not run ({arm}): measuring is switched off"
    return without_rounds(gate.requirement, arm, Verdict.NOT_RUN, Reason.SWITCHED_OFF, text)
