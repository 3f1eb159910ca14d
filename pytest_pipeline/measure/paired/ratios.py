"""Rounds until every gate that shares them is decided: bets, budget, and spaced confirmation before any miss."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from pytest_pipeline.judge.conclude import is_mostly_disturbed
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
from pytest_pipeline.measure.paired.reach import never_met, never_missed
from pytest_pipeline.measure.paired.rounds import RoundRunner
from pytest_pipeline.measure.paired.supply import Supply
from pytest_pipeline.measure.quiet import is_self_disturbed
from pytest_pipeline.measure.trial import Measured, Trial
from pytest_pipeline.model.rounds import Phase

DISPLAY_ROUNDS = 7
"""Clean rounds from which the displayed 95 % interval is bounded (A9.11)."""

CHEAP_ROUND_S = 0.5
"""Rounds up to this length are run until the displayed interval is bounded."""

LEAST_VISITS = 6
"""Confirmation visits that are made even when the budget's cap is reached."""

MOST_VISITS = 24
"""Confirmation visits, clean or not, after which it is given up."""


class RatioPhase:
    """Runs rounds for the gates of one trial that share them, or a few for display when there are none."""

    def __init__(
        self, trial: Trial, measured: Measured, runner: RoundRunner, monitor: ControlMonitor
    ) -> None:
        self._trial = trial
        self._measured = measured
        self._runner = runner
        self._monitor = monitor
        self._supply = Supply(trial, measured, monitor)
        self._began_ns = trial.machine.clock.now_ns()
        self._lengths: list[float] = []
        self._knows_budget = False

    def run(self) -> None:
        """Run until all gates are decided, the rounds are used up, or the time is over."""
        if not self._trial.candidates and not self._trial.round_gates:
            return
        assert self._measured.shape is not None
        self._measured.unreachable |= never_met(self._trial)
        self._measured.budget_short |= never_missed(self._trial, self._measured.shape.sub_pairs)
        self._supply.wait_for(self._trial.ladder_gates)
        while self._wants_more():
            self._one_round()
            self._check_budget()
            self._confirm_suspects()
        self._ask_for_silence()

    def _one_round(self) -> None:
        began_ns = self._trial.machine.clock.now_ns()
        each = self._runner.run(Phase.MEASURE)
        self._lengths.append((self._trial.machine.clock.now_ns() - began_ns) / 1e9)
        self._measured.rounds_s = self._spent_s
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
            return self._clean < self._trial.max_rounds and self._has_time()
        return self._wants_display()

    def _has_time(self) -> bool:
        """Whether the deadline is ahead, or rounds like those seen decide a gate within the extended budget.

        Near its limit a value decides in its own time: giving it up just before would waste all its rounds.
        """
        if self._spent_s < self._deadline_s:
            return True
        cap_s = HARD_CAP * self._trial.budget_s
        return any(self._spent_s < decided_s <= cap_s for decided_s in self._projections_s())

    def _projections_s(self) -> Iterator[float]:
        for gate in self._trial.ladder_gates:
            leaning = gate.leaning if self._is_worth_measuring(gate) else None
            if leaning is not None:
                yield self._spent_s * leaning.needed / leaning.rounds

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
            not self._trial.round_gates and self._spent_s + self._round_s < self._trial.budget_s / 3
        )

    def _check_budget(self) -> None:
        """Find out once, from a clean round, whether the budget can hold a verdict.

        Disturbed rounds are longer than those the code needs: they never make a test invalid.
        """
        if self._knows_budget or not self._clean:
            return
        self._knows_budget = True
        trial, shortest_s = self._trial, min(self._lengths)
        kinds: tuple[tuple[Sequence[Gate], Need], ...] = (
            (trial.ladder_gates, self._need(shortest_s, clean_share=1.0)),
            (trial.overlap_gates, self._overlap_need(shortest_s)),
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
        self._supply.wait_for(suspects)
        for gate in suspects:
            gate.begin_confirmation()
        for lane in self._trial.lanes:
            lane.reopen()
            lane.timed_execution(self._trial.source)
        self._visit(suspects)
        if self._wants_more():
            self._warm_up()

    def _warm_up(self) -> None:
        """Run a round without bets on workers that were just started; it primes the streaks."""
        each = self._runner.run(Phase.WARM_UP)
        for gate in self._trial.round_gates:
            gate.observe(each)

    def _visit(self, suspects: Sequence[LadderGate]) -> None:
        for visit in range(MOST_VISITS):
            waiting = [gate for gate in suspects if gate.status is Status.SUSPECT]
            is_late = self._elapsed_s > HARD_CAP * self._trial.budget_s
            if not waiting or (is_late and visit >= LEAST_VISITS):
                break
            self._trial.machine.clock.sleep(pause_s(visit))
            self._monitor.wake()
            first = self._runner.run(Phase.CONFIRM)
            second = self._runner.run(Phase.CONFIRM)
            for gate in waiting:
                gate.confirm(first, second)
        for gate in suspects:
            if gate.status is Status.SUSPECT:
                gate.give_up_confirming()

    def _ask_for_silence(self) -> None:
        """Find out whether the code under test itself kept gates from being decided (A9.7)."""
        refused = self._measured.shortfalls.keys() | self._measured.mistrusts.keys()
        disturbed = [
            gate
            for gate in self._trial.ladder_gates
            if gate.status is Status.OPEN and is_mostly_disturbed(gate) and id(gate) not in refused
        ]
        if not disturbed:
            return
        self._trial.progress("listening to the machine without stages")
        if is_self_disturbed(self._trial, self._monitor, self._runner.clean_factor):
            self._measured.self_disturbed |= {id(gate) for gate in disturbed}

    @property
    def _clean(self) -> int:
        """Rounds that every ladder gate could bet on."""
        divides = all(gate.speedup_needed is not None for gate in self._trial.ladder_gates)
        measured = [each for each in self._runner.rounds if each.phase is Phase.MEASURE]
        return sum(each.is_clean if divides else each.is_steady for each in measured)

    @property
    def _spent_s(self) -> float:
        """Seconds of the rounds alone: neither waiting for a quiet moment nor another gate's confirmation."""
        return sum(self._lengths)

    @property
    def _elapsed_s(self) -> float:
        return (self._trial.machine.clock.now_ns() - self._began_ns) / 1e9

    @property
    def _round_s(self) -> float:
        return median(self._lengths)

    @property
    def _deadline_s(self) -> float:
        share = (self._clean + 1) / (len(self._lengths) + 1)
        needs = (self._need(self._round_s, clean_share=share), self._overlap_need(self._round_s))
        return max(deadline_s(self._trial.budget_s, need) for need in needs)

    def _overlap_need(self, round_s: float) -> Need:
        assert self._measured.shape is not None
        executions = max((each.executions_to_miss for each in self._trial.overlap_gates), default=0)
        return estimate_executions_need(
            round_s, executions=executions, per_round=self._measured.shape.sub_pairs
        )

    def _need(self, round_s: float, *, clean_share: float) -> Need:
        errors = self._trial.errors
        return estimate_need(
            round_s,
            clean_share=clean_share,
            missed=errors.missed,
            met=errors.met,
            confirm=errors.confirm,
        )
