"""`compare`: the whole comparison without pytest, as a notebook or a script calls it."""

from __future__ import annotations

import atexit
import contextlib
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from pytest_pipeline.assembling.assembly import Assembly
from pytest_pipeline.assembling.ending import note_advice
from pytest_pipeline.assembling.gating import Arms, make_gates, under
from pytest_pipeline.assembling.outlook import outlook
from pytest_pipeline.errors import UsageError, WorkerDiedError, original
from pytest_pipeline.executors.protocol import Executor
from pytest_pipeline.executors.registry import hung_workers, resolve
from pytest_pipeline.judge.failures import ErrorRateGate
from pytest_pipeline.judge.gate import Errors, Gate
from pytest_pipeline.measure.checks.equality import Check, validate_check
from pytest_pipeline.measure.checks.outputs import OutputCheck
from pytest_pipeline.measure.items import make_source
from pytest_pipeline.measure.lane import Lane, Surroundings
from pytest_pipeline.measure.machine import Machine, RealMachine, require_real_clock
from pytest_pipeline.measure.measurement import measure
from pytest_pipeline.measure.trial import Measured, Trial
from pytest_pipeline.model.comparison import Comparison
from pytest_pipeline.model.plan import Arrivals, Plan, make_plan
from pytest_pipeline.model.requirement import Quantity, Requirement
from pytest_pipeline.model.units import positive_number

DEFAULT_EXECUTORS = ("threads",)
"""Arms compared with the baseline when none are named."""

_DIED = "the process that ran this test died in the middle of the measurement"


class Observer(Protocol):
    """Hears what a long comparison is doing. Every method must return quickly and must not raise."""

    def began(self, so_far: Callable[[], Comparison]) -> None:
        """Take the way to ask, between two rounds, what has been measured so far."""

    def progress(self, text: str) -> None:
        """Show one short line about what is being measured now."""

    def finished(self, comparison: Comparison) -> None:
        """Take the result; also called, with what there is so far, when the comparison ends by an exception."""


class Unobserved:
    """Hears nothing."""

    def began(self, so_far: Callable[[], Comparison]) -> None:
        """Do nothing."""

    def progress(self, text: str) -> None:
        """Do nothing."""

    def finished(self, comparison: Comparison) -> None:
        """Do nothing."""


def compare(
    stages: Sequence[Any],
    items: Any,
    *,
    executors: Sequence[str | Executor] | None = None,
    baseline: str | Executor = "serial",
    check: Check = "equal",
    arrivals: Arrivals | None = None,
    setup: Callable[[], object] | None = None,
    teardown: Callable[[], object] | None = None,
    timeout: float = 60.0,
    requirements: Sequence[Requirement] = (),
    budget_s: float = 30.0,
    max_rounds: int = 100,
    mode: str = "measure",
    extra_executors: Mapping[str, Executor] | None = None,
    machine: Machine | None = None,
    company: str = "",
    run_number: int = 1,
    predicts: bool = True,
    observer: Observer | None = None,
) -> Comparison:
    """Run the same `stages` on the same `items` under every arm, in interleaved rounds, and decide.

    `stages` are callables or `Stage`s; `items` a list, or a callable returning a fresh iterator;
    `executors` names or configured executors (default: threads); `check` says what equal outputs are;
    with `arrivals` (items per second) the items of requirements on the p99 latency come at that rate, and
    nothing else changes; `setup` and `teardown` run untimed around every execution; `timeout` seconds per execution;
    `budget_s` seconds of measuring (soft, see `measure.budget`); `max_rounds` clean rounds;
    `mode` is "measure", or "off" to run each arm once and compare outputs only; `company` says why
    others may be measured at the same time (then a gate may be met, never missed); `run_number` counts
    from 1 the gated comparisons of one test, which share its error (see `judge.gate.Errors`);
    without `predicts` nothing is executed or sampled for ceilings, what-ifs and resources, and there are none.

    Raises `UsageError` for a declaration that cannot work, and whatever a stage raises, with a note
    naming stage and item; an item that fails under an arm with a requirement on its error rate (then also
    under the baseline) is counted instead. Missed requirements do not raise: they stand in `Comparison.findings`.
    The rules of the verdicts, with their sources, are in docs/verdicts.md.
    """
    validate_check(check)
    plan = make_plan(stages, timeout_s=positive_number(timeout, what="timeout"))
    arms = _resolve(baseline, executors, extra_executors)
    requirements = under(requirements, arrivals)
    errors = Errors().of_run(run_number)
    gates = make_gates(requirements, arms, plan, errors)
    around = Surroundings(setup, teardown)
    collecting = _collecting(gates, requirements, arms.baseline.name)
    first, *others = _make_lanes(arms, plan, around, OutputCheck(check), collecting)
    hears = observer or Unobserved()
    trial = Trial(
        plan=plan,
        source=make_source(items),
        baseline=first,
        candidates=others,
        gates=gates,
        arrivals=arrivals,
        machine=machine or _real_machine(),
        errors=errors.split(len(gates)),
        budget_s=budget_s,
        max_rounds=max_rounds,
        progress=hears.progress,
        outlook=outlook,
        company=company,
        predicts=predicts,
    )
    return _run(trial, Assembly(trial, requirements, arms.unavailable, check), hears, mode)


def _real_machine() -> Machine:
    require_real_clock()
    return default_machine()


@functools.cache
def default_machine() -> Machine:
    """Return this process's machine; its control kernels stay up until the process ends."""
    machine = RealMachine(lambda: resolve("serial"), lambda: resolve("threads"))
    atexit.register(machine.close)
    return machine


def _run(trial: Trial, assembly: Assembly, observer: Observer, mode: str) -> Comparison:
    hung = hung_workers()
    measured = Measured(hung_before=hung, abandoned=hung)
    began_ns = trial.machine.clock.now_ns()

    def seconds() -> float:
        return (trial.machine.clock.now_ns() - began_ns) / 1e9

    observer.began(lambda: assembly.interrupted(measured, seconds(), WorkerDiedError(_DIED)))
    with contextlib.ExitStack() as lanes:  # one that cannot close must not leave the others open
        for lane in trial.lanes:
            lanes.callback(lane.close)
        try:
            measure(trial, measured, once=mode == "off")
        except BaseException as error:
            raised = original(error)
            so_far = assembly.interrupted(measured, seconds(), raised)
            observer.finished(so_far)
            note_advice(raised, so_far.findings[0])
            raise
    comparison = assembly.complete(measured, seconds(), is_off=mode == "off")
    observer.finished(comparison)
    return comparison


def _resolve(
    baseline: str | Executor,
    executors: Sequence[str | Executor] | None,
    extra: Mapping[str, Executor] | None,
) -> Arms:
    if isinstance(executors, str):
        raise UsageError(f'executors={executors!r} is text: write executors=["{executors}"]')
    chosen = resolve(baseline, extra)
    reason = chosen.unavailable()
    if reason:
        raise UsageError(f"the baseline {chosen.name!r} cannot run here: {reason}")
    others = beside(chosen, executors or DEFAULT_EXECUTORS, extra)
    names = [chosen.name, *(each.name for each in others)]
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise UsageError(
            f'two arms are called {repeated.pop()!r}: give one another name, e.g. Threads(name="threads-wide")'
        )
    causes = {each.name: each.unavailable() for each in others}
    return Arms(
        baseline=chosen,
        candidates=tuple(each for each in others if not causes[each.name]),
        unavailable={name: cause for name, cause in causes.items() if cause},
    )


def beside(
    baseline: Executor,
    executors: Sequence[str | Executor],
    extra: Mapping[str, Executor] | None = None,
) -> list[Executor]:
    """Return `executors` without `baseline`, where its name or one that is configured alike stands among them.

    One of its name that is configured otherwise stays: whoever asked for it wants it compared.
    """
    found = [(each, resolve(each, extra)) for each in executors]
    return [
        arm
        for given, arm in found
        if not (isinstance(given, str) and arm.name == baseline.name)
        if not (type(arm) is type(baseline) and repr(arm) == repr(baseline))
    ]


def _collecting(
    gates: Sequence[Gate], requirements: Sequence[Requirement], baseline: str
) -> frozenset[str]:
    """Return the arms whose failed items are counted.

    Only where a limit binds them, for an arm without one would be fast by failing, and under the baseline, so
    that there is something to compare the failures with: also where none of the arms with a limit can run, or
    the test would fail of an item that it allows to fail.
    """
    bound = {gate.executor for gate in gates if isinstance(gate, ErrorRateGate)}
    is_asked = any(each.quantity is Quantity.ERROR_RATE for each in requirements)
    return frozenset(bound | {baseline} if is_asked else bound)


def _make_lanes(
    arms: Arms,
    plan: Plan,
    around: Surroundings,
    check: OutputCheck,
    collecting: frozenset[str],
) -> list[Lane]:
    """Return a lane per arm, the baseline's first."""
    return [
        Lane(each, plan, around, check, collects=each.name in collecting)
        for each in (arms.baseline, *arms.candidates)
    ]
