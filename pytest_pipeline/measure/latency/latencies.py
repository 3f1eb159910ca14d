"""Latency blocks until every latency gate is decided, on a budget of their own."""

from __future__ import annotations

import math

from pytest_pipeline.judge.capacity import Capacity, why_no_reference
from pytest_pipeline.judge.conclude import is_mostly_disturbed
from pytest_pipeline.judge.gate import Status
from pytest_pipeline.judge.latency import MAX_BLOCKS, PLAIN_MISS, LatencyGate
from pytest_pipeline.measure.budget import HARD_CAP, SMALLEST_CLEAN_SHARE, extended, pause_s
from pytest_pipeline.measure.control import ControlMonitor
from pytest_pipeline.measure.latency.blocks import BlockRunner
from pytest_pipeline.measure.latency.excuses import GAP_SHARE
from pytest_pipeline.measure.latency.filling import never_in_time
from pytest_pipeline.measure.quiet import is_self_disturbed, wait_for_quiet
from pytest_pipeline.measure.system.heartbeat import Heartbeat
from pytest_pipeline.measure.trial import Measured, Trial
from pytest_pipeline.model.rounds import Phase
from pytest_pipeline.model.units import show_about
from pytest_pipeline.stats.rate import blocks_to_miss

CONFIRM_VISITS = 12
"""Spaced pairs of blocks that a confirmation may take."""


class LatencyPhase:
    """Runs latency blocks for the latency gates of one trial."""

    def __init__(self, trial: Trial, measured: Measured, monitor: ControlMonitor) -> None:
        self._trial = trial
        self._measured = measured
        self._monitor = monitor

    def run(self) -> None:
        """Decide the gates one after the other."""
        if self._trial.latency_gates:
            wait_for_quiet(self._trial, self._monitor)
        for gate in self._trial.latency_gates:
            limit_s = gate.requirement.effective_limit
            heartbeat = self._trial.machine.heartbeat(GAP_SHARE * limit_s)
            try:
                self._decide_with(gate, heartbeat)
            finally:
                if heartbeat is not None:
                    heartbeat.close()

    def _decide_with(self, gate: LatencyGate, heartbeat: Heartbeat | None) -> None:
        runner = self._runner(gate, heartbeat)
        try:
            self._decide(gate, runner)
        finally:
            self._check_reference(gate)

    def _check_reference(self, gate: LatencyGate) -> None:
        """Say why no block could count against the service, whatever its CPU share: a tail feels a crowd first."""
        why = why_no_reference(self._monitor.reference)
        if why:
            self._measured.mistrusts[id(gate)] = why

    def _runner(self, gate: LatencyGate, heartbeat: Heartbeat | None) -> BlockRunner:
        return BlockRunner(
            self._trial.lane(gate.executor),
            self._trial.source,
            num_items=self._measured.num_items,
            requirement=gate.requirement,
            arrivals=self._trial.arrivals,
            machine=self._trial.machine,
            monitor=self._monitor,
            capacity=self._capacity(gate),
            blocks=self._measured.blocks,
            heartbeat=heartbeat,
        )

    def _decide(self, gate: LatencyGate, runner: BlockRunner) -> None:
        never = never_in_time(
            runner.arrivals,
            full_batch=self._trial.plan.full_batch,
            num_items=self._measured.num_items,
            limit_s=gate.requirement.effective_limit,
        )
        if never:
            self._measured.unreachable[id(gate)] = never
            return
        profile = self._trial.lane(gate.executor).profile
        gate.expect_together(1 if profile is None else profile.handed_over)
        block_s = self._block_s(gate, runner)
        items = runner.executions * self._measured.num_items
        need_s = math.ceil(gate.samples_needed / items) * block_s
        rate = f" at {runner.rate_per_s:g}/s" if runner.rate_per_s else ""
        about = f", about {need_s:.0f} s" if need_s else ""
        self._trial.progress(
            f"p99 of {gate.executor}: needs {gate.samples_needed} items{rate}{about}"
        )
        short = self._shortage(gate, f"{items} items{rate}", block_s, need_s)
        if short:
            self._measured.budget_short[id(gate)] = short
            return
        self._bet(gate, runner, items, block_s)

    def _shortage(self, gate: LatencyGate, block: str, block_s: float, need_s: float) -> str:
        """Return why the budget can hold no met, or no miss however plain; a gate needs room for both."""
        cap_s, blocks = HARD_CAP * self._trial.budget_s, self._blocks_to_miss
        wanted_s = max(need_s, blocks * block_s)
        if wanted_s <= cap_s:
            return ""
        needs = f"p99 needs {gate.samples_needed} items to be met"
        if need_s <= cap_s:
            needs = f"a plain miss of p99 needs {blocks} blocks of {block}, one after the other"
        return (
            f"{needs}: {show_about(wanted_s)}, and {extended(self._trial.budget_s)}; "
            f'next: raise the rate, pass fewer items, or write @pytest.mark.measure(budget="{wanted_s / 2:.0f}s")'
        )

    @property
    def _blocks_to_miss(self) -> int:
        """Blocks until a plain miss is suspected: all but the first follow a clean one."""
        return (blocks_to_miss(self._trial.errors.missed, late_share=PLAIN_MISS) or 0) + 1

    def _bet(self, gate: LatencyGate, runner: BlockRunner, items: int, block_s: float) -> None:
        began_ns = self._trial.machine.clock.now_ns()
        # How many are needed shows as they come: late items come in runs, chunks travel together.
        while gate.status is Status.OPEN and gate.clean < max(
            MAX_BLOCKS, 2 * math.ceil(gate.samples_needed / items)
        ):
            elapsed = (self._trial.machine.clock.now_ns() - began_ns) / 1e9
            if elapsed > self._allowed_s(gate, items, block_s):
                break
            gate.observe(runner.run(Phase.MEASURE))
            self._trial.progress(
                f"p99 of {gate.executor}: {len(gate.samples)} of about {gate.samples_needed} items, {gate.late} late"
            )
        if gate.status is Status.SUSPECT:
            self._confirm(gate, runner)
        elif gate.status is Status.OPEN:
            gate.give_up()
            self._ask_for_silence(gate)

    def _ask_for_silence(self, gate: LatencyGate) -> None:
        """Find out whether the code under test itself disturbed the blocks (A9.7)."""
        if not is_mostly_disturbed(gate) or not self._monitor.reference.is_valid:
            return
        self._trial.progress("listening to the machine without stages")
        if is_self_disturbed(self._trial, self._monitor, self._capacity(gate).clean_factor):
            self._measured.self_disturbed.add(id(gate))

    def _capacity(self, gate: LatencyGate) -> Capacity:
        """Return what the arm may ask of the cores: as many workers at once as its rate keeps busy, or all of them."""
        workers = float(self._trial.lane(gate.executor).width)
        rate, baseline = gate.requirement.rate_per_s, self._trial.baseline.profile
        if rate is not None and baseline is not None:
            workers = min(workers, rate * baseline.makespan_s / max(1, self._measured.num_items))
        return Capacity(self._monitor.reference, self._measured.cpu_share or 0.0, workers)

    def _allowed_s(self, gate: LatencyGate, items: int, block_s: float) -> float:
        """Return the seconds that a met verdict, or a plain miss, may take at the shares of blocks seen.

        Each side has its own: met bets on every clean block, missed on those after another clean one.
        """
        to_meet = gate.samples_needed / items + 1
        to_miss = self._blocks_to_miss + 1
        blocks = max(to_meet / _share(gate.clean, gate), to_miss / _share(gate.bets, gate))
        return max(self._trial.budget_s, min(HARD_CAP * self._trial.budget_s, blocks * block_s))

    def _confirm(self, gate: LatencyGate, runner: BlockRunner) -> None:
        self._trial.progress(f"p99 of {gate.executor}: confirming with fresh workers")
        lane = self._trial.lane(gate.executor)
        lane.reopen()
        lane.timed_execution(self._trial.source)
        self._monitor.recheck()
        gate.begin_confirmation()
        for visit in range(CONFIRM_VISITS):
            if gate.status is not Status.SUSPECT:
                return
            self._trial.machine.clock.sleep(pause_s(visit))
            gate.confirm(runner.run(Phase.CONFIRM), runner.run(Phase.CONFIRM))
        if gate.status is Status.SUSPECT:
            gate.give_up_confirming()

    def _block_s(self, gate: LatencyGate, runner: BlockRunner) -> float:
        """Return the seconds of one block: of its arrivals, or of executions while nobody disturbed them."""
        if runner.block_s is not None:
            return runner.block_s
        return runner.executions * self._measured.shortest_s(self._trial.lane(gate.executor))


def _share(blocks: int, gate: LatencyGate) -> float:
    """Return the share of the blocks so far that `blocks` are, never so small that waiting would not help."""
    return max(SMALLEST_CLEAN_SHARE, (blocks + 1) / (gate.clean + gate.dirty + 1))
