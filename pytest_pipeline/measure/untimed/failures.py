"""Executions until every error-rate gate is decided: first all that were made anyway, then more."""

from __future__ import annotations

import math

from pytest_pipeline.judge.failures import ErrorRateGate
from pytest_pipeline.judge.gate import Status
from pytest_pipeline.measure.budget import HARD_CAP, extended
from pytest_pipeline.measure.lane import Lane
from pytest_pipeline.measure.trial import Measured, Trial
from pytest_pipeline.model.units import show_about, show_quantity

MOST_TIMES = 8
"""Multiple of the items that a clean met needs, after which an open gate is near its limit: a share at
half the limit is met within 7 (project's study, B2)."""


class ErrorPhase:
    """Decides the error-rate gates of one trial. Runs last: what failed in any execution counts."""

    def __init__(self, trial: Trial, measured: Measured) -> None:
        self._trial = trial
        self._measured = measured

    def announce(self) -> None:
        """Say before measuring how many items a met verdict needs."""
        for gate in self._trial.error_gates:
            if gate.requirement.limit:
                self._trial.progress(
                    f"error rate of {gate.executor}: needs {gate.items_needed} items without a failure, "
                    f"about {self._need_s(gate):.0f} s"
                )

    def run(self) -> None:
        """Feed every gate the executions of its arm, then run more while it is open."""
        self.observe()
        for gate in self._trial.error_gates:
            if gate.status is Status.OPEN:
                self._go_on(gate, self._trial.lane(gate.executor))

    def observe(self) -> None:
        """Feed every gate the executions of its arm that there are."""
        for gate in self._trial.error_gates:
            for execution in self._trial.lane(gate.executor).failures.executions:
                gate.observe(execution)

    def _go_on(self, gate: ErrorRateGate, lane: Lane) -> None:
        clock, began_ns = self._trial.machine.clock, self._trial.machine.clock.now_ns()
        needed, need_s = gate.items_needed, self._need_s(gate)
        cap_s = HARD_CAP * self._trial.budget_s
        if need_s > cap_s:
            self._measured.budget_short[id(gate)] = self._shortage(gate, need_s)
            return
        allowed_s = max(self._trial.budget_s, need_s)
        while gate.status is Status.OPEN and (
            gate.items < MOST_TIMES * needed or gate.clean < gate.executions_to_miss
        ):
            # Executions that take longer than the profiled one shall not end one item short. A miss counts
            # executions: of a long item list a few hold all the items, and prove nothing.
            is_short = gate.items < needed or gate.clean < gate.executions_to_miss
            limit_s = cap_s if is_short else allowed_s
            if (clock.now_ns() - began_ns) / 1e9 > limit_s:
                break
            lane.timed_execution(self._trial.source)
            gate.observe(lane.failures.executions[-1])
            self._trial.progress(
                f"error rate of {gate.executor}: {gate.failed} of {gate.items} items failed"
            )
        if gate.status is not Status.OPEN or not self._measured.shortest_s(lane):
            return  # where every round was disturbed nobody knows what an execution needs
        if gate.items < needed:
            self._measured.budget_short[id(gate)] = self._shortage(gate, self._need_s(gate))
        elif gate.clean < gate.executions_to_miss:
            self._measured.budget_short[id(gate)] = self._too_few_executions(gate, lane)

    def _need_s(self, gate: ErrorRateGate) -> float:
        """Return the seconds until enough items have gone through, if none of them fails."""
        missing = max(0, gate.items_needed - gate.items)
        executions = math.ceil(missing / max(1, self._measured.num_items))
        return executions * self._measured.shortest_s(self._trial.lane(gate.executor))

    def _too_few_executions(self, gate: ErrorRateGate, lane: Lane) -> str:
        """Say that so few executions can miss no limit, however many of their items fail."""
        limit_s, each_s = HARD_CAP * self._trial.budget_s, self._measured.shortest_s(lane)
        return (
            f"a plain miss of an error rate needs {gate.executions_to_miss} executions, {gate.clean} were made within {show_about(limit_s)}; "
            f'next: pass fewer items, or use @pytest.mark.measure(budget="{max(1.0, gate.executions_to_miss * each_s / 2):.0f}s")'
        )

    def _shortage(self, gate: ErrorRateGate, need_s: float) -> str:
        return (
            f"an error rate of at most {show_quantity(gate.requirement.limit, 'share')} needs {gate.items_needed} items without a failure: "
            f"{show_about(need_s)} more, and {extended(self._trial.budget_s)}; "
            f'next: use a larger max, quicker items, or @pytest.mark.measure(budget="{max(1.0, need_s / 2):.0f}s")'
        )
