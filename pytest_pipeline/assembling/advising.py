"""Which explanation belongs to which gate."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_pipeline.assembling.arms import ArmMaker
from pytest_pipeline.explain.advice import Advice, advise
from pytest_pipeline.explain.cold import cold_advice
from pytest_pipeline.explain.failures import failure_advice, failure_lines
from pytest_pipeline.explain.gate_causes import (
    efficiency_advice,
    first_result_advice,
    overlap_advice,
    throughput_advice,
)
from pytest_pipeline.explain.memory import ONE_AT_A_TIME, memory_advice, memory_lines
from pytest_pipeline.explain.tail import late_advice
from pytest_pipeline.judge.gate import Gate
from pytest_pipeline.measure.trial import Measured, Trial
from pytest_pipeline.model.calls import call_of
from pytest_pipeline.model.comparison import Arm
from pytest_pipeline.model.requirement import Quantity
from pytest_pipeline.model.trace import Trace

NOTHING = Advice("", "")
"""When no rule fires."""


class Adviser:
    """Finds likely cause and next step of a gate that was not met."""

    def __init__(self, trial: Trial, measured: Measured, arms: Mapping[str, Arm]) -> None:
        self._trial = trial
        self._measured = measured
        self._arms = arms

    def advise(self, gate: Gate) -> Advice:
        """Return cause and next step; empty texts where nothing is known."""
        trace = self._measured.profiles.get(gate.executor)
        if trace is None:
            return NOTHING
        match gate.requirement.quantity:
            case Quantity.ERROR_RATE | Quantity.PEAK_MEMORY:
                return self._counted(gate, trace)
            case Quantity.P99_LATENCY:
                return self._late_items(gate)
            case Quantity.FIRST_RESULT:
                return first_result_advice(trace)
            case Quantity.OVERLAP:
                return self._overlap(gate, trace)
            case _:
                return self._in_speedup(gate)

    def details(self, gate: Gate) -> tuple[str, ...]:
        """Return what was counted, in sentences that belong to the finding whatever its verdict."""
        match gate.requirement.quantity:
            case Quantity.ERROR_RATE:
                return failure_lines(self._trial.lane(gate.executor).failures)
            case Quantity.PEAK_MEMORY:
                return memory_lines(self._measured.readings.get(gate.executor, []))
            case _:
                return ()

    def _counted(self, gate: Gate, trace: Trace) -> Advice:
        lane, first = self._trial.lane(gate.executor), self._trial.baseline
        if gate.requirement.quantity is Quantity.ERROR_RATE:
            return failure_advice(lane.failures, first.failures, first.name)
        if lane is first and lane.width == 1:
            return ONE_AT_A_TIME
        peak = None if lane is first else self._arms[first.name].peak_memory_bytes
        return memory_advice(
            self._trial.plan,
            lane.width,
            lane.name,
            peak,
            handed_over=trace.handed_over,
            is_remote=trace.ledger.is_remote,
        )

    def _late_items(self, gate: Gate) -> Advice:
        trace = self._trial.lane(gate.executor).latency_profile
        limit = gate.requirement.effective_limit
        return NOTHING if trace is None else late_advice(trace, limit, self._trial.plan)

    def _overlap(self, gate: Gate, trace: Trace) -> Advice:
        return overlap_advice(self._arms[gate.executor], trace, self._trial.plan)

    def _in_speedup(self, gate: Gate) -> Advice:
        if gate.executor == self._trial.baseline.name:
            return NOTHING
        limit = gate.requirement.limit
        match gate.requirement.quantity:
            case Quantity.EFFICIENCY:
                return self._efficiency(gate, limit * self._arms[gate.executor].workers)
            case Quantity.THROUGHPUT:
                limit_x = limit / (self._arms[self._trial.baseline.name].throughput_per_s or limit)
                return throughput_advice(self._towards(gate, limit_x), limit, limit_x)
            case _:
                return self._towards(gate, limit)

    def _efficiency(self, gate: Gate, limit_x: float) -> Advice:
        cause = self._towards(gate, limit_x).cause
        lane = self._trial.lane(gate.executor)
        profiled = ArmMaker(self._trial, self._measured).profiled(lane)
        if profiled is None or not profiled.has_line:
            return Advice(cause, "")
        wanted = gate.requirement.limit
        return efficiency_advice(cause, profiled.line(), self._trial.plan, limit=wanted)

    def _towards(self, gate: Gate, limit_x: float) -> Advice:
        arm, baseline = self._arms[gate.executor], self._arms[self._trial.baseline.name]
        maker = ArmMaker(self._trial, self._measured)
        lane = self._trial.lane(gate.executor)
        call = call_of(lane.executor)
        if gate.requirement.cold:
            start_up = maker.start_up(lane)
            return cold_advice(arm, baseline, limit_x, maker.host(), start_up, call=call)
        return advise(arm, baseline, limit_x, maker.host(), call=call)
