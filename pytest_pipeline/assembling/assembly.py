"""One comparison put together: arms, findings with cause and next step, what a reader must know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pytest_pipeline.assembling.advising import Adviser
from pytest_pipeline.assembling.arms import ArmMaker
from pytest_pipeline.assembling.ending import finding_of
from pytest_pipeline.assembling.wrong import wrong_finding
from pytest_pipeline.explain.caches import cache_warnings
from pytest_pipeline.explain.remedies import remedy
from pytest_pipeline.judge.conclude import conclude, without_rounds
from pytest_pipeline.judge.estimates import fastest_arms
from pytest_pipeline.judge.gate import Gate
from pytest_pipeline.judge.ladder import LadderGate
from pytest_pipeline.judge.leaning import NO_LEANING
from pytest_pipeline.judge.once import conclude_once
from pytest_pipeline.measure.checks.equality import Check, check_name
from pytest_pipeline.measure.checks.watch import median_services_s
from pytest_pipeline.measure.trial import Measured, Trial
from pytest_pipeline.model.comparison import Arm, Comparison
from pytest_pipeline.model.finding import Finding, Reason, Verdict
from pytest_pipeline.model.requirement import BEST, EVERY_CANDIDATE, Requirement


class Assembly:
    """Knows one comparison's declaration and puts its result together."""

    def __init__(
        self,
        trial: Trial,
        requirements: Sequence[Requirement],
        unavailable: Mapping[str, str],
        check: Check,
    ) -> None:
        self._trial = trial
        self._gates = trial.gates
        self._requirements = requirements
        self._unavailable = unavailable
        self._check = check

    def complete(self, measured: Measured, seconds: float, *, is_off: bool) -> Comparison:
        """Return the result of a measurement that ran to its end."""
        arms = self._arms(measured, predicts=self._trial.predicts and not is_off)
        wrong = self._wrong(measured)
        if wrong:
            findings = wrong
        elif is_off:
            findings = self._switched_off(measured, arms)
        else:
            findings = self._decided(measured, arms)
        return self._comparison(measured, seconds, arms, [*findings, *self._not_here()])

    def interrupted(self, measured: Measured, seconds: float, error: BaseException) -> Comparison:
        """Return what there is when `error` ended the measurement."""
        finding = finding_of(error, self._trial.baseline.name, has_run=measured.num_items > 0)
        return self._comparison(measured, seconds, self._arms(measured), [finding])

    def _comparison(
        self, measured: Measured, seconds: float, arms: dict[str, Arm], findings: list[Finding]
    ) -> Comparison:
        trial = self._trial
        environment = replace(trial.machine.environment(), instruments=measured.instruments.notes)
        return Comparison(
            plan=trial.plan,
            baseline=trial.baseline.name,
            arms=arms,
            outputs=measured.outputs,
            findings=tuple(findings),
            best=fastest_arms(measured.rounds, [lane.name for lane in trial.lanes]),
            rounds=tuple(measured.rounds),
            blocks=tuple(measured.blocks),
            reference=measured.reference,
            environment=environment,
            num_items=measured.num_items,
            repeats=1 if measured.shape is None else measured.shape.repeats,
            check=check_name(self._check),
            seconds=seconds,
            warnings=self._warnings(measured),
            notes={
                "budget_s": trial.budget_s,
                "alpha_missed": trial.errors.missed,
                "alpha_met": trial.errors.met,
                "sub_pairs": 0 if measured.shape is None else measured.shape.sub_pairs,
                "cpu_share": measured.cpu_share,
                "order_seed": measured.order_seed,
                "exclusive": not self._trial.company,
                "ceilings": list(measured.outlook),
                "traced": measured.instruments.traced,
                "workload": self._workload(measured),
            },
            gil_shares=measured.gil_shares,
            shipping=measured.shipping,
        )

    def _workload(self, measured: Measured) -> dict[str, object]:
        """Return what was asked for beside the stages: sessions that differ in it are not compared."""
        executors = {lane.name: _declared(lane.executor) for lane in self._trial.lanes}
        return {
            "chunk": self._trial.plan.chunk,
            "executors": executors,
            "arrivals": self._trial.arrivals,
            "items": measured.items_mark,
        }

    def _arms(self, measured: Measured, *, predicts: bool = False) -> dict[str, Arm]:
        maker = ArmMaker(self._trial, measured, predicts=predicts)
        arms = {lane.name: maker.make(lane) for lane in self._trial.lanes}
        for name, cause in self._unavailable.items():
            arms[name] = Arm(name, workers=0, is_baseline=False, unavailable=cause)
        return arms

    def _warnings(self, measured: Measured) -> tuple[str, ...]:
        notes = [f"not measured alone: {self._trial.company}"] if self._trial.company else []
        if measured.instruments.traced:
            notes.append(
                f"{measured.instruments.traced} could not be stopped: no gate that reads a clock is decided"
            )
        notes += self._failures()
        notes += [_hung(name, measured.hung_before) for name in measured.abandoned]
        later = {name: median_services_s(trace) for name, trace in measured.profiles.items()}
        notes += cache_warnings(measured.first_service_s, later, self._trial.baseline.name)
        return tuple(notes)

    def _failures(self) -> list[str]:
        return [
            f"{lane.failures.failed} of {lane.failures.items} items failed under {lane.name}: "
            "outputs are compared over the items that came out in both arms"
            for lane in self._trial.lanes
            if lane.failures.failed
        ]

    def _decided(self, measured: Measured, arms: dict[str, Arm]) -> list[Finding]:
        adviser = Adviser(self._trial, measured, arms)
        findings = [self._finding(gate, measured, adviser) for gate in self._gates]
        return merge_best(findings)

    def _finding(self, gate: Gate, measured: Measured, adviser: Adviser) -> Finding:
        around = measured.circumstances(gate, self._trial.company)
        finding = conclude(gate, gate.estimate(measured.rounds), around)
        more = (*self._leaning(gate, finding.reason, measured.rounds_s), *adviser.details(gate))
        finding = replace(finding, evidence=(*finding.evidence, *more))
        if finding.verdict is Verdict.MET or finding.reason is Reason.UNREACHABLE:
            return finding
        advice = adviser.advise(gate)
        step = remedy(finding.reason, is_hung=bool(around.abandoned), is_sinking=around.is_sinking)
        step = finding.next_step or step or advice.next_step
        return replace(finding, cause=advice.cause, next_step=step)

    def _leaning(self, gate: Gate, reason: Reason, spent_s: float) -> tuple[str, ...]:
        """Return what more rounds would do for a gate that is near its limit."""
        if reason is not Reason.NEAR_LIMIT or not isinstance(gate, LadderGate):
            return ()
        leaning = gate.leaning
        if leaning is None:
            return (NO_LEANING,)
        return (leaning.sentence(self._trial.budget_s, self._trial.max_rounds, spent_s),)

    def _wrong(self, measured: Measured) -> list[Finding]:
        return [wrong_finding(each, self._trial) for each in measured.wrong]

    def _switched_off(self, measured: Measured, arms: dict[str, Arm]) -> list[Finding]:
        adviser = Adviser(self._trial, measured, arms)
        return merge_best([_after_one_execution(gate, adviser) for gate in self._gates])

    def _not_here(self) -> list[Finding]:
        return [
            without_rounds(
                requirement,
                name,
                Verdict.UNAVAILABLE,
                Reason.CANNOT_RUN_HERE,
                f"{requirement.label} not measured ({name}): {cause}",
            )
            for requirement in self._requirements
            for name, cause in self._unavailable.items()
            if requirement.executor in {EVERY_CANDIDATE, name}
            or (requirement.executor == BEST and not self._trial.candidates)
        ]


def _after_one_execution(gate: Gate, adviser: Adviser) -> Finding:
    finding = conclude_once(gate)
    if finding.verdict is Verdict.NOT_RUN:
        return finding
    advice, details = adviser.advise(gate), adviser.details(gate)
    return replace(finding, cause=advice.cause, evidence=details, next_step=advice.next_step)


def _declared(executor: object) -> str:
    """Return an executor's own description where it has one; a default one tells processes apart, not options."""
    kind = type(executor)
    return kind.__name__ if kind.__repr__ is object.__repr__ else repr(executor)


def merge_best(findings: list[Finding]) -> list[Finding]:
    """Keep one finding per `best` gate: the arm that met it, or the one that came closest."""
    kept: list[Finding] = []
    groups: dict[Requirement, list[Finding]] = {}
    for finding in findings:
        if finding.requirement is not None and finding.requirement.executor == BEST:
            groups.setdefault(finding.requirement, []).append(finding)
        else:
            kept.append(finding)
    return kept + [_best_of(group) for group in groups.values()]


def _best_of(group: list[Finding]) -> Finding:
    # What is invalid here is so for one arm: another that may still meet the limit is the better answer.
    order = (Verdict.MET, Verdict.NOT_RUN, Verdict.INCONCLUSIVE, Verdict.MISSED, Verdict.INVALID)
    first = min(order.index(finding.verdict) for finding in group)
    same = [finding for finding in group if order.index(finding.verdict) == first]
    return max(same, key=_goodness)


def _goodness(finding: Finding) -> float:
    if finding.estimate is None or finding.requirement is None:
        return float("-inf")
    sign = 1 if finding.requirement.quantity.is_minimum else -1
    return sign * finding.estimate.value


def _hung(name: str, before: Sequence[str]) -> str:
    if name in before:
        return f"worker thread {name} of an earlier run hung and still runs in this process"
    return f"worker thread {name} hung and was abandoned"
