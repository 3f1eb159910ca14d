"""Gate + circumstances -> finding: the verdict, its reason, and the line that stands alone."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_pipeline.judge.evidence import NOBODY_ELSE
from pytest_pipeline.judge.gate import Gate, Status
from pytest_pipeline.model.estimate import Estimate
from pytest_pipeline.model.finding import Finding, Reason, Verdict
from pytest_pipeline.model.requirement import Quantity, Requirement
from pytest_pipeline.model.units import show_apart, show_quantity, show_range

BUSY_SHARE = 0.5
"""Share of disturbed rounds from which an undecided gate is called busy rather than near its limit."""

NEXT = "; next: "
"""Stands in a circumstance between why a gate stayed open and what to do about it, where that is known."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What surrounded the measurement and may explain why a gate stayed open."""

    shortfall: str = ""
    """Why this host cannot give what is asked, or not show it; empty when it can."""
    mistrust: str = ""
    """Why the control kernel cannot tell clean rounds here; empty when it can."""
    company: str = ""
    """Why other tests may have run at the same time; empty when this one was alone."""
    traced: str = ""
    """The tracing tool that could not be stopped; empty when none."""
    self_disturbed: bool = False
    """The code under test itself kept the machine busy."""
    unconfirmed: str = ""
    """Why a miss in sight was not decided: its blocks or visits were disturbed; empty when they were not."""
    abandoned: tuple[str, ...] = ()
    """Hung worker threads that still live in this process."""
    budget_short: str = ""
    """Why the budget cannot hold the rounds that a verdict needs; empty when it can."""
    throttled: bool = False
    """The cgroup quota throttled a good part of the rounds or blocks."""
    disturbance: str = ""
    """The most frequent disturbance seen in rounds that were not clean."""
    seen: str = ""
    """What the operating system saw in those rounds; empty where unreadable."""
    unreachable: str = ""
    """Why this plan can never meet the requirement, with the number needed; empty when it can."""

    @property
    def is_sinking(self) -> bool:
        """Whether the cores are slow although nobody else takes one, and nothing else keeps the gate open."""
        return self.disturbance == NOBODY_ELSE and not (self.mistrust or self.unconfirmed)


def conclude(gate: Gate, estimate: Estimate | None, around: Circumstances) -> Finding:
    """Return the finding of `gate` after its last round."""
    verdict, reason = _verdict(gate, around)
    why, _, step = _evidence(gate, around, reason).partition(NEXT)
    return Finding(
        requirement=gate.requirement,
        executor=gate.executor,
        verdict=verdict,
        reason=reason,
        headline=_never(gate, around.unreachable)
        if around.unreachable
        else _headline(gate, estimate, verdict, reason),
        estimate=estimate,
        clean_rounds=gate.clean,
        dirty_rounds=gate.dirty,
        evidence=(why,) if why else (),
        next_step=step,
    )


def _verdict(gate: Gate, around: Circumstances) -> tuple[Verdict, Reason]:
    if around.unreachable:
        return Verdict.INVALID, Reason.UNREACHABLE
    return (_timed if gate.requirement.quantity.is_timed else _untimed)(gate, around)


def _timed(gate: Gate, around: Circumstances) -> tuple[Verdict, Reason]:
    if gate.status in {Status.MET, Status.MISSED} and around.traced:
        return Verdict.INCONCLUSIVE, Reason.TRACED
    if gate.status is Status.MET:
        return Verdict.MET, Reason.NONE
    if around.company:
        return Verdict.INCONCLUSIVE, Reason.NOT_EXCLUSIVE
    if gate.status is Status.MISSED and not (around.shortfall or around.mistrust):
        return Verdict.MISSED, Reason.NONE
    # A host that cannot give it, a crowd or a tracer is why the rounds are long: no budget would help there.
    if around.budget_short and not (around.traced or around.shortfall or around.mistrust):
        needs_samples = gate.requirement.quantity is Quantity.P99_LATENCY
        return Verdict.INVALID, Reason.SAMPLES if needs_samples else Reason.BUDGET
    return _undecided(gate, around)


def _untimed(gate: Gate, around: Circumstances) -> tuple[Verdict, Reason]:
    """Decide without a clock: neither neighbours nor tracers change what was counted."""
    if gate.status is Status.MET:
        # Where memory cannot be seen whole, too little of it proves nothing; counting needs no cores.
        is_blind = bool(around.shortfall) and gate.requirement.quantity is Quantity.PEAK_MEMORY
        return (Verdict.INCONCLUSIVE, Reason.CAPACITY) if is_blind else (Verdict.MET, Reason.NONE)
    if gate.status is Status.MISSED:
        return Verdict.MISSED, Reason.NONE
    if gate.status is Status.DISAGREED:
        return Verdict.INCONCLUSIVE, Reason.CONFIRM_DISAGREED
    if around.budget_short:
        needs_samples = gate.requirement.quantity is Quantity.ERROR_RATE
        return Verdict.INVALID, Reason.SAMPLES if needs_samples else Reason.BUDGET
    return Verdict.INCONCLUSIVE, Reason.BUSY if around.abandoned else Reason.NEAR_LIMIT


def is_mostly_disturbed(gate: Gate) -> bool:
    """Whether most of what `gate` has seen was disturbed."""
    return gate.dirty > BUSY_SHARE * (gate.clean + gate.dirty)


def _undecided(gate: Gate, around: Circumstances) -> tuple[Verdict, Reason]:
    rules = (
        (around.throttled, Verdict.INCONCLUSIVE, Reason.QUOTA),
        (around.self_disturbed and not around.traced, Verdict.MISSED, Reason.SELF_DISTURBED),
        (bool(around.shortfall), Verdict.INCONCLUSIVE, Reason.CAPACITY),
        (bool(around.mistrust), Verdict.INCONCLUSIVE, Reason.BUSY),
        (bool(around.traced), Verdict.INCONCLUSIVE, Reason.TRACED),
        (bool(around.unconfirmed), Verdict.INCONCLUSIVE, Reason.BUSY),
        (gate.status is Status.DISAGREED, Verdict.INCONCLUSIVE, Reason.CONFIRM_DISAGREED),
        (gate.is_unsteady, Verdict.INCONCLUSIVE, Reason.UNSTEADY),
        (bool(around.abandoned), Verdict.INCONCLUSIVE, Reason.BUSY),
        (is_mostly_disturbed(gate), Verdict.INCONCLUSIVE, Reason.BUSY),
    )
    for applies, verdict, reason in rules:
        if applies:
            return verdict, reason
    return Verdict.INCONCLUSIVE, Reason.NEAR_LIMIT


def _never(gate: Gate, why: str) -> str:
    return f"{gate.requirement.label} can never be met ({gate.executor}): {why}"


def _headline(gate: Gate, estimate: Estimate | None, verdict: Verdict, reason: Reason) -> str:
    requirement = gate.requirement
    if estimate is None:
        return (
            f"{requirement.label} not measured ({gate.executor}): {reason.value or verdict.value}"
        )
    unit, relation = requirement.quantity.unit, _relation(requirement, estimate.value, verdict)
    observed, limit = show_quantity(estimate.value, unit), show_quantity(requirement.limit, unit)
    if relation in {" < ", " > "}:
        observed = show_apart(estimate.value, requirement.limit, unit)
        limit = show_apart(requirement.limit, estimate.value, unit)
    interval = _interval(estimate, requirement)
    suffix = f": {reason.value}" if verdict is not Verdict.MET and reason is not Reason.NONE else ""
    rate = "" if requirement.rate_per_s is None else f" at {requirement.rate_per_s:g}/s"
    return f"{requirement.label} {observed}{relation}{limit}{rate} ({gate.executor}; {interval}{gate.counted}){suffix}"


def _relation(requirement: Requirement, value: float, verdict: Verdict) -> str:
    reaches = (
        value >= requirement.limit
        if requirement.quantity.is_minimum
        else value <= requirement.limit
    )
    effective = requirement.effective_limit
    is_within = value >= effective if requirement.quantity.is_minimum else value <= effective
    # What is shown is a median: of rounds that nobody disturbed their mean may have decided otherwise.
    if verdict is (Verdict.MISSED if reaches else Verdict.MET) and (reaches or not is_within):
        return " against "
    if reaches:
        return " >= " if requirement.quantity.is_minimum else " <= "
    if verdict is Verdict.MET:
        return f", within {show_quantity(requirement.tolerance, 'share')} of "
    return " < " if requirement.quantity.is_minimum else " > "


def _interval(estimate: Estimate, requirement: Requirement) -> str:
    if estimate.lower is None or estimate.upper is None:
        return ""
    bounds = show_range(estimate.lower, estimate.upper, requirement.quantity.unit)
    return f"{estimate.level * 100:.0f} % interval {bounds}, "


def _evidence(gate: Gate, around: Circumstances, reason: Reason) -> str:
    lines = {
        Reason.CAPACITY: around.shortfall,
        Reason.NOT_EXCLUSIVE: around.company,
        Reason.BUDGET: around.budget_short,
        Reason.SAMPLES: around.budget_short,
        Reason.TRACED: f"{around.traced} is on and cannot be stopped while measuring",
        Reason.SELF_DISTURBED: "the control kernel is slow right after stages and quiet after a second without them, every time: "
        "the code under test itself keeps the machine busy",
        Reason.CONFIRM_DISAGREED: _disagreement(gate),
        Reason.UNSTEADY: "clean executions fall into two modes, and most of them are in the slow one, which does not meet the limit",
        Reason.QUOTA: _with_seen(
            "the CPU quota of this container throttled the measurement", around
        ),
        Reason.BUSY: _busy(gate, around),
    }
    return lines.get(reason, "")


def _disagreement(gate: Gate) -> str:
    if gate.requirement.quantity is Quantity.PEAK_MEMORY:
        return f"one of {gate.clean} executions exceeded the limit, the others did not"
    return f"the first {_noun(gate)} missed the limit, the spaced confirmation did not"


def _busy(gate: Gate, around: Circumstances) -> str:
    if around.abandoned:
        return f"hung worker threads still run in this process: {', '.join(around.abandoned)}"
    if around.mistrust:
        return around.mistrust
    if around.unconfirmed:
        first = f"the first {_noun(gate)} missed the limit, but {around.unconfirmed}"
        return _with_seen(first, around)
    seen = gate.clean + gate.dirty
    if around.is_sinking:
        return _with_seen(
            f"in {gate.dirty} of {seen} {_noun(gate)} the control kernel was slow although nobody else took a core: "
            "the cores' clock sinks, or threads were put on one core",
            around,
        )
    what = f" ({around.disturbance})" if around.disturbance else ""
    return _with_seen(
        f"{gate.dirty} of {seen} {_noun(gate)} were disturbed from outside{what}", around
    )


def _noun(gate: Gate) -> str:
    return "blocks" if gate.requirement.quantity is Quantity.P99_LATENCY else "rounds"


def _with_seen(sentence: str, around: Circumstances) -> str:
    return f"{sentence}: {around.seen}" if around.seen else sentence


def without_rounds(
    requirement: Requirement | None, executor: str, verdict: Verdict, reason: Reason, text: str
) -> Finding:
    """Return a finding that needs no rounds: unavailable, invalid, not run."""
    return Finding(
        requirement=requirement, executor=executor, verdict=verdict, reason=reason, headline=text
    )
