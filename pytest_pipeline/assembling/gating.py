"""Which gate each requirement becomes, on which arms, with which share of the error rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pytest_pipeline.errors import UsageError
from pytest_pipeline.executors.protocol import Executor
from pytest_pipeline.judge.failures import ErrorRateGate
from pytest_pipeline.judge.gate import Errors, Gate
from pytest_pipeline.judge.ladder import LadderGate
from pytest_pipeline.judge.latency import LatencyGate
from pytest_pipeline.judge.memory import MemoryGate
from pytest_pipeline.judge.overlap import OverlapGate
from pytest_pipeline.judge.readings import (
    FirstResultReading,
    Reading,
    SpeedupReading,
    ThroughputReading,
)
from pytest_pipeline.model.plan import Arrivals, Plan
from pytest_pipeline.model.requirement import BEST, EVERY_CANDIDATE, Quantity, Requirement


@dataclass(frozen=True, slots=True)
class Arms:
    """The executors of one comparison, by what they are good for."""

    baseline: Executor
    """The arm the others are compared with."""
    candidates: tuple[Executor, ...]
    """Those that can run here."""
    unavailable: Mapping[str, str]
    """Name -> cause for those that cannot."""

    def bound_by(self, requirement: Requirement) -> list[str]:
        """Return the available arms that `requirement` binds; raises `UsageError` for an arm that is not run."""
        names = [executor.name for executor in self.candidates]
        if requirement.executor in {EVERY_CANDIDATE, BEST}:
            if not names and not self.unavailable:
                raise UsageError(
                    f"{requirement.quantity.value}(executor={requirement.executor!r}): no arm is run beside the "
                    f'baseline {self.baseline.name!r}; name one, e.g. executors=["threads"]'
                )
            return names
        if requirement.executor == self.baseline.name and requirement.quantity.is_relative:
            raise UsageError(
                f"{requirement.quantity.value}(executor={requirement.executor!r}): {self.baseline.name!r} is the "
                f"baseline, with which {requirement.label} compares the others"
            )
        if requirement.executor in {*names, self.baseline.name}:
            return [requirement.executor]
        if requirement.executor in self.unavailable:
            return []
        known = ", ".join([self.baseline.name, *names, *self.unavailable])
        raise UsageError(
            f"{requirement.quantity.value}(executor={requirement.executor!r}) names an arm that is not run; arms: {known}"
        )

    def workers(self, name: str, plan: Plan) -> int:
        """Return the worker slots over all stages of the arm `name`."""
        return next(each.workers(plan) for each in self.candidates if each.name == name)


def under(
    requirements: Sequence[Requirement], arrivals: Arrivals | None
) -> tuple[Requirement, ...]:
    """Return `requirements` as they are asked under `arrivals`: a latency without a rate of its own takes theirs."""
    if arrivals is None:
        return tuple(requirements)
    return tuple(
        replace(each, rate_per_s=arrivals.rate)
        if each.quantity is Quantity.P99_LATENCY and each.rate_per_s is None
        else each
        for each in requirements
    )


def make_gates(
    requirements: Sequence[Requirement], arms: Arms, plan: Plan, of_run: Errors
) -> list[Gate]:
    """Return a gate per requirement and arm it binds; `of_run` are the error rates that they share."""
    bound = [
        (requirement, name) for requirement in requirements for name in arms.bound_by(requirement)
    ]
    errors = of_run.split(len(bound))
    return [
        _make_gate(requirement, name, arms, plan, _met_split(errors, requirement, arms))
        for requirement, name in bound
    ]


def _make_gate(requirement: Requirement, name: str, arms: Arms, plan: Plan, errors: Errors) -> Gate:
    match requirement.quantity:
        case Quantity.P99_LATENCY:
            return LatencyGate(requirement, name, errors=errors, together=plan.full_batch)
        case Quantity.OVERLAP:
            return OverlapGate(requirement, name, errors=errors)
        case Quantity.ERROR_RATE:
            return ErrorRateGate(requirement, name, errors=errors)
        case Quantity.PEAK_MEMORY:
            return MemoryGate(requirement, name)
        case _:
            reading = _reading(requirement, name, arms, plan)
            return LadderGate(requirement, name, reading, errors=errors)


def _reading(requirement: Requirement, name: str, arms: Arms, plan: Plan) -> Reading:
    baseline = arms.baseline.name
    match requirement.quantity:
        case Quantity.SPEEDUP:
            return SpeedupReading(baseline, name, requirement.cold)
        case Quantity.EFFICIENCY:
            return SpeedupReading(baseline, name, workers=arms.workers(name, plan))
        case Quantity.THROUGHPUT:
            return ThroughputReading(name)
        case Quantity.FIRST_RESULT:
            return FirstResultReading(name)
        case _:
            raise UsageError(f"a gate on {requirement.label} is not in this release")


def _met_split(errors: Errors, requirement: Requirement, arms: Arms) -> Errors:
    """Share out the met side of a `best` gate: it is met as soon as any arm meets it."""
    if requirement.executor != BEST:
        return errors
    family = max(1, len(arms.candidates))
    return replace(errors, met=errors.met / family, late_met=errors.late_met / family)
