"""Whether the machine gives what the gates on rounds need, asked before their rounds and before a miss is confirmed."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_pipeline.judge.capacity import Capacity
from pytest_pipeline.judge.ladder import LadderGate
from pytest_pipeline.measure.control import ControlMonitor
from pytest_pipeline.measure.quiet import wait_until
from pytest_pipeline.measure.trial import Measured, Trial, largest_speedup
from pytest_pipeline.model.plan import ON_HOST, SOURCE_STAGE


class Supply:
    """What one trial's machine gives: notes in `measured` for which gates that is too little, and why."""

    def __init__(self, trial: Trial, measured: Measured, monitor: ControlMonitor) -> None:
        self._trial = trial
        self._measured = measured
        self._monitor = monitor

    def wait_for(self, gates: Sequence[LadderGate]) -> None:
        """Ask the machine again while it seems to give too little, then note what it gives.

        A core that boosts for a moment, or both threads of the control on one core, are no lack of capacity.
        """
        wait_until(self._trial, self._monitor, lambda: self._is_settled(gates))
        self._check(gates)

    def _is_settled(self, gates: Sequence[LadderGate]) -> bool:
        """Whether asking the machine again changes nothing: it gives enough, or has too few cores."""
        self._check(gates)
        short = (self._measured.shortfalls, self._measured.mistrusts)
        return all(
            gate.speedup_needed is not None and self._capacity(gate).is_beyond_the_cores
            for gate in gates
            if any(id(gate) in each for each in short)
        )

    def _check(self, gates: Sequence[LadderGate]) -> None:
        measured = self._measured
        for gate in gates:
            measured.shortfalls.pop(id(gate), None)
            measured.mistrusts.pop(id(gate), None)
            capacity = self._capacity(gate)
            if gate.speedup_needed is None and capacity.mistrust:
                measured.mistrusts[id(gate)] = capacity.mistrust
            elif gate.speedup_needed is not None and capacity.shortfall:
                measured.shortfalls[id(gate)] = capacity.shortfall

    def _capacity(self, gate: LadderGate) -> Capacity:
        return Capacity(
            self._monitor.reference,
            self._measured.cpu_share or 0.0,
            largest_speedup(gate, self._trial),
            hosted_share(self._trial, gate.executor),
        )


def hosted_share(trial: Trial, executor: str) -> float | None:
    """Return CPU time / makespan of what an arm with devices leaves to the host; None for an arm without devices.

    As the baseline does it: source and stages on the host are the same work in every arm. The arm's own CPU time
    would excuse a stage that has lost its device and computes on the host as a host with too few cores.
    """
    arm, baseline = trial.lane(executor).profile, trial.baseline.profile
    if arm is None or baseline is None or not arm.devices:
        return None
    plan = trial.plan
    names = [
        name for name, each in zip(plan.names, plan.stages, strict=True) if each.device == ON_HOST
    ]
    rows = [row for row in baseline.ledger.rows if row.name in (SOURCE_STAGE, *names)]
    # No CPU time is an unread one: such a stage counts as one that computes.
    return sum(row.cpu_s or row.service_s for row in rows) / max(1e-9, baseline.makespan_s)
