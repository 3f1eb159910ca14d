"""Rounds until every gate that shares them is decided: bets, budget, and spaced confirmation before any miss."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from pytest_pipeline.judge.capacity import Capacity
from pytest_pipeline.judge.gate import Gate, Status
from pytest_pipeline.judge.ladder import LadderGate
from pytest_pipeline.judge.overlap import OverlapGate
from pytest_pipeline.measure.budget import (
    HARD_CAP,
    Need,
    deadline_s,
    estimate_executions_need,
    estimate_need,
    pause_s,
    shortage,
)
from pytest_pipeline.measure.control import ControlMonitor
from pytest_pipeline.measure.rounds import RoundRunner
from pytest_pipeline.measure.trial import Measured, Trial
from pytest_pipeline.model.plan import SOURCE_STAGE
from pytest_pipeline.model.rounds import Phase

DISPLAY_ROUNDS = 7
"""Clean rounds from which the displayed 95 % interval is bounded (A9.11)."""

CHEAP_ROUND_S = 0.5
"""Rounds up to this length are run until the displayed interval is bounded."""

LEAST_VISITS = 6
"""Confirmation visits that are made even when the budget's cap is reached."""

MOST_VISITS = 24
"""Confirmation visits, clean or not, after which it is given up."""

BUSY_SHARE = 0.8
"""Share of disturbed rounds above which we ask whether the code under test is the disturbance (A9.7)."""

QUIET_CHECKS = 3
"""Alternations of stages and silence that must agree before it is called self-disturbed."""

PATIENCE = 8
"""Times that a machine without a valid reference is asked again before it is called too small."""

QUIET_S = 1.0
"""Seconds without user code before the control is asked again."""


class RatioPhase:
    """Runs rounds for the gates of one trial that share them, or a few for display when there are none."""

    def __init__(
        self, trial: Trial, measured: Measured, runner: RoundRunner, monitor: ControlMonitor
    ) -> None:
        self._trial = trial
        self._measured = measured
        self._runner = runner
        self._monitor = monitor
        self._began_ns = trial.machine.clock.now_ns()
        self._lengths: list[float] = []

    def run(self) -> None:
        """Run until all gates are decided, the rounds are used up, or the time is over."""
        if not self._trial.candidates and not self._trial.round_gates:
            return
        self._check_reach()
        self._check_capacity(self._trial.ladder_gates)
        self._wait_for_quiet()
        while self._wants_more():
            self._one_round()
            if len(self._lengths) == 1:
                self._check_budget()
            self._confirm_suspects()
        self._ask_for_silence()

    def _one_round(self) -> None:
        began_ns = self._trial.machine.clock.now_ns()
        each = self._runner.run(Phase.MEASURE)
        self._lengths.append((self._trial.machine.clock.now_ns() - began_ns) / 1e9)
        for gate in self._trial.round_gates:
            gate.observe(each)
        self._trial.progress(self._state())

    def _state(self) -> str:
        gates = self._trial.round_gates
        decided = sum(gate.status is not Status.OPEN for gate in gates)
        answered = f", {decided} of {len(gates)} gates answered" if gates else ""
        rounds = f"round {len(self._lengths)} ({self._clean} clean){answered}"
        return "; ".join([f"{rounds}, {self._elapsed_s:.0f} s", *self._measured.outlook])

    def _wants_more(self) -> bool:
        if not self._lengths:
            return True
        if any(self._is_worth_measuring(gate) for gate in self._trial.round_gates):
            return self._clean < self._trial.max_rounds and self._elapsed_s < self._deadline_s
        return self._wants_display()

    def _is_worth_measuring(self, gate: LadderGate | OverlapGate) -> bool:
        measured = self._measured
        answers = (
            measured.shortfalls,
            measured.mistrusts,
            measured.budget_short,
            measured.unreachable,
        )
        return gate.status is Status.OPEN and not any(id(gate) in each for each in answers)

    def _wants_display(self) -> bool:
        """Whether a few more rounds bound the displayed interval at little cost."""
        if self._clean >= DISPLAY_ROUNDS or len(self._lengths) >= 2 * DISPLAY_ROUNDS:
            return False
        if self._round_s <= CHEAP_ROUND_S:
            return True
        return (
            not self._trial.round_gates
            and self._elapsed_s + self._round_s < self._trial.budget_s / 3
        )

    def _wait_for_quiet(self) -> None:
        """Give a passing neighbour some time before calling the machine too small."""
        for _ in range(PATIENCE):
            waits = self._measured.shortfalls or self._measured.mistrusts
            if not waits or self._monitor.reference.is_valid:
                return
            self._trial.progress("waiting for a quiet moment: the machine is shared or busy")
            self._trial.machine.clock.sleep(QUIET_S)
            self._monitor.recheck()
            self._check_capacity(self._trial.ladder_gates)

    def _check_reach(self) -> None:
        for gate in self._trial.overlap_gates:
            lane = self._trial.lane(gate.executor)
            if lane.profile is None:
                continue
            has_source = SOURCE_STAGE in lane.profile.stage_names
            never = gate.out_of_reach(lane.width, lane.profile.num_items, has_source=has_source)
            if never:
                self._measured.unreachable[id(gate)] = never

    def _check_capacity(self, gates: Sequence[LadderGate]) -> None:
        measured = self._measured
        for gate in gates:
            measured.shortfalls.pop(id(gate), None)
            measured.mistrusts.pop(id(gate), None)
            limit = largest_speedup(gate, self._trial)
            capacity = Capacity(self._monitor.reference, measured.cpu_share or 0.0, limit)
            if gate.speedup_needed is None and capacity.mistrust:
                measured.mistrusts[id(gate)] = capacity.mistrust
            elif gate.speedup_needed is not None and capacity.shortfall:
                measured.shortfalls[id(gate)] = capacity.shortfall

    def _check_budget(self) -> None:
        trial = self._trial
        kinds: tuple[tuple[Sequence[Gate], Need], ...] = (
            (trial.ladder_gates, self._need(clean_share=1.0)),
            (trial.overlap_gates, self._overlap_need()),
        )
        for gates, need in kinds:
            short = shortage(trial.budget_s, need)
            if short:
                self._measured.budget_short |= {id(gate): short for gate in gates}

    def _confirm_suspects(self) -> None:
        suspects = [gate for gate in self._trial.ladder_gates if gate.status is Status.SUSPECT]
        if not suspects:
            return
        self._trial.progress("confirming with fresh workers")
        self._monitor.recheck()
        self._check_capacity(suspects)
        for gate in suspects:
            gate.begin_confirmation()
        for lane in self._trial.lanes:
            lane.reopen()
            lane.timed_execution(self._trial.source)
        self._visit(suspects)

    def _visit(self, suspects: Sequence[LadderGate]) -> None:
        for visit in range(MOST_VISITS):
            waiting = [gate for gate in suspects if gate.status is Status.SUSPECT]
            is_late = self._elapsed_s > HARD_CAP * self._trial.budget_s
            if not waiting or (is_late and visit >= LEAST_VISITS):
                break
            self._trial.machine.clock.sleep(pause_s(visit))
            first = self._runner.run(Phase.CONFIRM)
            second = self._runner.run(Phase.CONFIRM)
            for gate in waiting:
                gate.confirm(first, second)
        for gate in suspects:
            if gate.status is Status.SUSPECT:
                gate.give_up_confirming()

    def _ask_for_silence(self) -> None:
        """Find out whether the code under test itself keeps the machine busy (A9.7).

        One quiet moment could be a neighbour's pause, so stages and silence alternate: the control
        must be slow right after stages and clean after silence, every time.
        """
        open_gates = any(gate.status is Status.OPEN for gate in self._trial.ladder_gates)
        measured = [each for each in self._runner.rounds if each.phase is Phase.MEASURE]
        dirty = sum(not each.is_clean for each in measured)
        if not open_gates or dirty <= BUSY_SHARE * len(measured) or self._measured.shortfalls:
            return
        self._trial.progress("listening to the machine without stages")
        self._measured.self_disturbed = all(self._stages_disturb() for _ in range(QUIET_CHECKS))

    def _stages_disturb(self) -> bool:
        each = self._runner.run(Phase.WARM_UP)
        self._trial.machine.clock.sleep(QUIET_S)
        controls = [self._monitor.sample_s() for _ in range(5)]
        return not each.is_clean and self._runner.is_quiet(controls)

    @property
    def _clean(self) -> int:
        return sum(each.is_clean and each.phase is Phase.MEASURE for each in self._runner.rounds)

    @property
    def _elapsed_s(self) -> float:
        return (self._trial.machine.clock.now_ns() - self._began_ns) / 1e9

    @property
    def _round_s(self) -> float:
        return median(self._lengths)

    @property
    def _deadline_s(self) -> float:
        share = (self._clean + 1) / (len(self._lengths) + 1)
        needs = (self._need(clean_share=share), self._overlap_need())
        return max(deadline_s(self._trial.budget_s, need) for need in needs)

    def _overlap_need(self) -> Need:
        assert self._measured.shape is not None
        executions = max((each.executions_to_miss for each in self._trial.overlap_gates), default=0)
        return estimate_executions_need(
            self._round_s, executions=executions, per_round=self._measured.shape.sub_pairs
        )

    def _need(self, *, clean_share: float) -> Need:
        errors = self._trial.errors
        return estimate_need(
            self._round_s,
            clean_share=clean_share,
            missed=errors.missed,
            met=errors.met,
            confirm=errors.confirm,
        )


def largest_speedup(gate: LadderGate, trial: Trial) -> float:
    """Return the most that `gate` rests on: the speedup it asks for, or all the workers of its arm."""
    needed = gate.speedup_needed
    return float(trial.lane(gate.executor).width) if needed is None else needed
