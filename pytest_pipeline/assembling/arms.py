"""What one arm did: estimates from its rounds, and the execution that explains it."""

from __future__ import annotations

from statistics import median

from pytest_pipeline.explain.advice import find_bottleneck
from pytest_pipeline.explain.ceiling import Host
from pytest_pipeline.explain.cold import StartUp
from pytest_pipeline.explain.device import with_bounds
from pytest_pipeline.explain.item_ledger import make_item_ledger
from pytest_pipeline.explain.profile import is_pool, overlap, stage_summaries
from pytest_pipeline.explain.profiled import Profiled
from pytest_pipeline.explain.whatif import what_ifs
from pytest_pipeline.judge.estimates import speedup_estimate, summarise_latency, usable_rounds
from pytest_pipeline.measure.budget import longest_round_s
from pytest_pipeline.measure.lane import Lane
from pytest_pipeline.measure.trial import Measured, Trial, blocks_of
from pytest_pipeline.model.calls import call_of
from pytest_pipeline.model.comparison import Arm
from pytest_pipeline.model.estimate import Estimate, Latency
from pytest_pipeline.model.trace import Trace


class ArmMaker:
    """Turns the lanes of one trial into arms."""

    def __init__(self, trial: Trial, measured: Measured, *, predicts: bool = False) -> None:
        self._trial = trial
        self._measured = measured
        self._predicts = predicts

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
        profiled = None if is_baseline else self.profiled(lane)
        line = profiled.line() if profiled is not None and profiled.has_line else None
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
            first_result_s=self._first_result_s(lane, trace),
            startup_s=lane.startup_s,
            empty_run_s=trace.empty_run_s,
            efficiency=speedup.value / lane.width if speedup is not None else None,
            overlap=self._overlap(lane, trace),
            peak_memory_bytes=self._peak_memory(lane),
            stages=stages,
            ledger=trace.ledger,
            item_ledger=make_item_ledger(trace),
            bottleneck=None
            if is_baseline
            else find_bottleneck(
                stages, line, has_pool=any(is_pool(row) for row in trace.ledger.rows)
            ),
            what_ifs=what_ifs(profiled) if profiled is not None and self._predicts else (),
            trace=trace,
            resources=measured.resources.get(lane.name),
            devices=with_bounds(trace.devices, lane.diagnoses),
        )

    def _peak_memory(self, lane: Lane) -> int | None:
        readings = self._measured.readings.get(lane.name, [])
        return max((each.increase_bytes for each in readings), default=None)

    def _speedup(self, lane: Lane) -> Estimate | None:
        return speedup_estimate(self._measured.rounds, self._trial.baseline.name, lane.name)

    def _makespan_s(self, lane: Lane, trace: Trace) -> float:
        usable = usable_rounds(self._measured.rounds, lane.name)
        if not usable:
            return trace.makespan_s
        return median(median(each.makespans_s[lane.name]) for each in usable)

    def _first_result_s(self, lane: Lane, trace: Trace) -> float:
        usable = usable_rounds(self._measured.rounds, lane.name)
        if not usable:
            return trace.first_result_s
        return median(median(each.first_results_s[lane.name]) for each in usable)

    def _overlap(self, lane: Lane, trace: Trace) -> float | None:
        """Return the median over all executions of rounds: disturbed ones keep their order of events."""
        seen = [value for each in self._measured.rounds for value in each.overlaps[lane.name]]
        return median(seen) if seen else overlap(trace)

    def _latency(self, lane: Lane, trace: Trace) -> Latency | None:
        """Return the latencies of the arm's first gate: other arrival rates have other latencies."""
        gates = [gate for gate in self._trial.latency_gates if gate.executor == lane.name]
        blocks = blocks_of(gates[0], self._measured.blocks) if gates else []
        clean = [block for block in blocks if block.is_clean] or blocks
        if clean:
            samples = [value for block in clean for value in block.latencies_s]
            return summarise_latency(samples, "open" if clean[0].rate_per_s else "closed")
        kind = "closed" if lane is self._trial.baseline else "saturated"
        return summarise_latency(trace.latency_s.tolist(), kind, trace.handed_over)

    def profiled(self, lane: Lane) -> Profiled | None:
        """Return what ceilings and predictions of this arm start from.

        None before it and the baseline ran, and over a baseline that overlaps: what is simulated is a speedup over
        a serial loop, and a change of the plan would change such a baseline too.
        """
        measured, trial = self._measured, self._trial
        if trial.baseline.width > 1:
            return None
        baseline = measured.profiles.get(trial.baseline.name)
        trace = measured.profiles.get(lane.name)
        if baseline is None or trace is None:
            return None
        return Profiled(
            plan=trial.plan,
            baseline=baseline,
            trace=trace,
            width=lane.width,
            host=self.host(),
            shipping=measured.shipping,
            half_batches=measured.half_batches,
            others=frozenset(each.name for each in trial.lanes),
            calls={each.name: call_of(each.executor) for each in trial.lanes},
            longest_s=self._longest_s(),
            pace=self._pace(lane, trace),
        )

    def _longest_s(self) -> float:
        errors, pairs = self._trial.errors, len(self._trial.candidates)
        round_s = longest_round_s(
            self._trial.budget_s, missed=errors.missed, confirm=errors.confirm
        )
        return round_s / max(1, pairs)

    def _pace(self, lane: Lane, trace: Trace) -> float:
        seen = [value for each in self._measured.rounds for value in each.makespans_s[lane.name]]
        return min([*seen, trace.makespan_s]) / trace.makespan_s if trace.makespan_s else 1.0

    def start_up(self, lane: Lane) -> StartUp:
        """Return what a cold gate counts of this arm: the last start-up, until rounds have their own."""
        name, baseline = lane.name, self._trial.baseline
        usable = usable_rounds(self._measured.rounds, name, cold=True)
        seen = [each.startups_s[name] for each in usable]
        whole_s = self._makespan_s(baseline, self._measured.profiles[baseline.name])
        return StartUp(median(seen) if seen else lane.startup_s, whole_s)

    def host(self) -> Host:
        """Return the cores that the arms may use, and which stages hold the GIL."""
        return Host(self._trial.machine.environment().cores, self._measured.gil_shares)
