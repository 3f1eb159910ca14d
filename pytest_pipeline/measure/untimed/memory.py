"""Executions for the peak-memory gates: on fresh workers, sampled, and never timed."""

from __future__ import annotations

from dataclasses import replace

from pytest_pipeline.judge.gate import Status
from pytest_pipeline.judge.memory import LEAST_READINGS, MemoryGate
from pytest_pipeline.measure.budget import HARD_CAP, extended
from pytest_pipeline.measure.lane import Lane
from pytest_pipeline.measure.system.sampler import Meter
from pytest_pipeline.measure.trial import Measured, Trial
from pytest_pipeline.model.memory import MemoryReading
from pytest_pipeline.model.units import show_about

MOST_REPEATS = 20
"""Executions of one reading: a plan that takes a few milliseconds is repeated, so that samples meet its peak."""


class MemoryPhase:
    """Takes the readings of one trial; apart from the rounds, because sampling costs time.

    Workers are started afresh for every reading, and the arm executes once before its first: a heap
    that the rounds have grown would hide what an execution needs.
    """

    def __init__(self, trial: Trial, measured: Measured) -> None:
        self._trial = trial
        self._measured = measured

    def run(self) -> None:
        """Decide the gates arm by arm; the baseline is read once, to compare with."""
        if not self._trial.memory_gates:
            return
        self._trial.progress("sampling memory")
        with self._trial.machine.memory_meter() as meter:
            for lane in self._trial.lanes:
                gates = [gate for gate in self._trial.memory_gates if gate.executor == lane.name]
                if gates or lane is self._trial.baseline:
                    self._read_lane(lane, gates, meter)

    def _read_lane(self, lane: Lane, gates: list[MemoryGate], meter: Meter) -> None:
        short = self._shortage(lane)
        if short:
            self._measured.budget_short |= {id(gate): short for gate in gates}
            return
        lane.timed_execution(self._trial.source)  # frees what the rounds have left in its heap
        readings = self._measured.readings.setdefault(lane.name, [])
        while not readings or any(gate.status is Status.OPEN for gate in gates):
            readings.append(self._read(lane, meter))
            for gate in gates:
                gate.observe(readings[-1])
                self._measured.hidden[id(gate)] = readings[-1].hidden

    def _read(self, lane: Lane, meter: Meter) -> MemoryReading:
        shape = self._measured.shape
        repeats = 1 if shape is None else min(shape.repeats, MOST_REPEATS)
        lane.reopen()
        source = self._trial.source
        return _joined([lane.sampled_execution(source, meter) for _ in range(repeats)])

    def _shortage(self, lane: Lane) -> str:
        need_s = (LEAST_READINGS + 1) * self._measured.shortest_s(lane)
        if need_s <= HARD_CAP * self._trial.budget_s:
            return ""
        return (
            f"peak memory needs {LEAST_READINGS + 1} executions: {show_about(need_s)}, and {extended(self._trial.budget_s)}; "
            f'next: use fewer items, or @pytest.mark.measure(budget="{need_s / 2:.0f}s")'
        )


def _joined(readings: list[MemoryReading]) -> MemoryReading:
    """Return the reading with the largest increase, with the samples of all of them."""
    largest = max(readings, key=lambda each: each.increase_bytes)
    samples = sum(each.samples for each in readings)
    seconds = sum(each.samples * each.period_s for each in readings)
    return replace(largest, samples=samples, period_s=seconds / samples)
