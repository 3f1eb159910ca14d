"""The profile execution: one more per arm, sampled, after the rounds and never timed."""

from __future__ import annotations

from dataclasses import replace

from pytest_pipeline.measure.budget import EXTRA_SHARE
from pytest_pipeline.measure.lane import Lane
from pytest_pipeline.measure.system.profiling import ResourceMeter
from pytest_pipeline.measure.trial import Measured, Trial
from pytest_pipeline.model.resources import Resources
from pytest_pipeline.model.units import show_quantity, show_share

LEAST_MAKESPAN_S = 0.05
"""Makespan below which an execution is over before its samples say anything: ticks of the kernel last 10 ms."""


class ResourcePhase:
    """Takes one sampled execution per arm, where somebody will read it and it is short enough."""

    def __init__(self, trial: Trial, measured: Measured) -> None:
        self._trial = trial
        self._measured = measured

    def run(self) -> None:
        """Fill `measured.resources`, or the reason why an arm is missing there."""
        if not self._trial.predicts:
            return
        self._trial.progress("sampling resources")
        meter = self._trial.machine.resource_meter()
        for lane in self._trial.lanes:
            reason = self._reason(lane)
            self._measured.resources[lane.name] = (
                Resources(left_out=reason) if reason else self._sampled(lane, meter)
            )

    def _sampled(self, lane: Lane, meter: ResourceMeter) -> Resources:
        expected_s = _makespan_s(lane)
        used = lane.sampled_execution(
            self._trial.source, lambda execute: meter(execute, expected_s)
        )
        lane.close()  # what goes with it was its own
        return replace(used(), shipped_bytes=self._shipped_bytes(lane))

    def _reason(self, lane: Lane) -> str:
        makespan_s, budget_s = _makespan_s(lane), self._trial.budget_s
        if makespan_s < LEAST_MAKESPAN_S:
            return (
                f"an execution of {show_quantity(makespan_s, 's')} is too short to be sampled: "
                f"{show_quantity(LEAST_MAKESPAN_S, 's')} at least"
            )
        if makespan_s > EXTRA_SHARE * budget_s:
            return (
                f"one more execution of {show_quantity(makespan_s, 's')} would take more than "
                f"{show_share(EXTRA_SHARE)} of the budget of {show_quantity(budget_s, 's')}"
            )
        return ""

    def _shipped_bytes(self, lane: Lane) -> int | None:
        shipping, profile = self._measured.shipping, lane.profile
        if shipping is None or shipping.refusal or profile is None:
            return None
        if not any(row.serialisation_s for row in profile.ledger.rows):
            return None
        return round((shipping.item_bytes + shipping.output_bytes) * self._measured.num_items)


def _makespan_s(lane: Lane) -> float:
    return 0.0 if lane.profile is None else lane.profile.makespan_s
