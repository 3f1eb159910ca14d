"""What one arm did: estimates from its rounds, and the execution that explains it."""

from __future__ import annotations

from statistics import median

from pytest_pipeline.explain.advice import find_bottleneck
from pytest_pipeline.explain.ceiling import Line, fused_line, staged_line
from pytest_pipeline.explain.item_ledger import make_item_ledger
from pytest_pipeline.explain.profile import overlap, stage_summaries
from pytest_pipeline.judge.estimates import speedup_estimate, summarise_latency, usable_rounds
from pytest_pipeline.measure.lane import Lane
from pytest_pipeline.measure.trial import Measured, Trial
from pytest_pipeline.model.comparison import Arm
from pytest_pipeline.model.estimate import Estimate, Latency
from pytest_pipeline.model.plan import SOURCE_STAGE
from pytest_pipeline.model.trace import Trace


class ArmMaker:
    """Turns the lanes of one trial into arms."""

    def __init__(self, trial: Trial, measured: Measured) -> None:
        self._trial = trial
        self._measured = measured

    def make(self, lane: Lane) -> Arm:
        """Return the arm of `lane`; nearly empty when it never executed."""
        measured = self._measured
        trace = measured.profiles.get(lane.name)
        is_baseline = lane is self._trial.baseline
        if trace is None:
            return Arm(lane.name, lane.width, is_baseline)
        makespan = self._makespan_s(lane, trace)
        speedup = self._speedup(lane)
        stages = stage_summaries(trace)
        line = self.line(lane)
        return Arm(
            executor=lane.name,
            workers=lane.width,
            is_baseline=is_baseline,
            speedup=speedup,
            cold_speedup=speedup_estimate(
                measured.rounds, self._trial.baseline.name, lane.name, cold=True
            ),
            latency=self._latency(lane, trace),
            makespan_s=makespan,
            throughput_per_s=measured.num_items / makespan if makespan > 0 else None,
            first_result_s=trace.first_result_s,
            startup_s=lane.startup_s,
            empty_run_s=trace.empty_run_s,
            efficiency=speedup.value / lane.width if speedup is not None else None,
            overlap=overlap(trace),
            stages=stages,
            ledger=trace.ledger,
            item_ledger=make_item_ledger(trace),
            bottleneck=None if is_baseline or line is None else find_bottleneck(stages, line),
            trace=trace,
        )

    def _speedup(self, lane: Lane) -> Estimate | None:
        return speedup_estimate(self._measured.rounds, self._trial.baseline.name, lane.name)

    def _makespan_s(self, lane: Lane, trace: Trace) -> float:
        usable = usable_rounds(self._measured.rounds, lane.name)
        if not usable:
            return trace.makespan_s
        return median(median(each.makespans_s[lane.name]) for each in usable)

    def _latency(self, lane: Lane, trace: Trace) -> Latency | None:
        blocks = [block for block in self._measured.blocks if block.executor == lane.name]
        clean = [block for block in blocks if block.is_clean] or blocks
        if clean:
            samples = [value for block in clean for value in block.latencies_s]
            return summarise_latency(samples, "open" if clean[0].rate_per_s else "closed")
        kind = "closed" if lane is self._trial.baseline else "saturated"
        return summarise_latency(trace.latency_s.tolist(), kind)

    def line(self, lane: Lane) -> Line | None:
        """Return the plan as the simulation sees it under this arm, on the baseline's service times."""
        measured = self._measured
        baseline = measured.profiles.get(self._trial.baseline.name)
        if baseline is None:
            return None
        trace = measured.profiles[lane.name]
        cores = float(self._trial.machine.environment().cores_usable)
        has_own_workers = all(
            trace.stages[name].workers
            for name in trace.stage_names
            if name != SOURCE_STAGE and name in trace.stages
        )
        if has_own_workers:
            return staged_line(self._trial.plan, baseline, cores=cores)
        return fused_line(self._trial.plan, baseline, workers=lane.width, cores=cores)
