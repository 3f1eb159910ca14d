"""The measurement in the order in which it happens: outputs first, then warm-up, rounds, latency blocks."""

from __future__ import annotations

import math

from pytest_pipeline.judge.capacity import Capacity
from pytest_pipeline.measure.checks.sameness import Mismatch
from pytest_pipeline.measure.control import ControlMonitor
from pytest_pipeline.measure.instruments import PoolCaps, dropped_prints, quiet_instruments
from pytest_pipeline.measure.lane import Lane
from pytest_pipeline.measure.latency.latencies import LatencyPhase
from pytest_pipeline.measure.machine import Usage
from pytest_pipeline.measure.paired.ratios import RatioPhase
from pytest_pipeline.measure.paired.rounds import RoundRunner
from pytest_pipeline.measure.shape import LONG_PAIR_S, choose_shape
from pytest_pipeline.measure.trial import Measured, Trial, Wrong, largest_speedup, wrong_outputs
from pytest_pipeline.measure.untimed.failures import ErrorPhase
from pytest_pipeline.measure.untimed.first_executions import run_first_executions
from pytest_pipeline.measure.untimed.half_batches import sample_half_batches
from pytest_pipeline.measure.untimed.locating import locate_all
from pytest_pipeline.measure.untimed.memory import MemoryPhase
from pytest_pipeline.measure.untimed.resources import ResourcePhase
from pytest_pipeline.measure.untimed.shipping import sample_shipping
from pytest_pipeline.model.rounds import Phase
from pytest_pipeline.model.trace import Trace

WARM_UP_ROUNDS = 2
"""Rounds before the first bet. Long plans need none: their first executions warmed up already."""

COMPUTES = 0.1
"""Baseline CPU time / wall time from which it matters who holds the GIL."""

LEAST_READABLE_S = 0.1
"""Makespan from which the CPU time of processes, in ticks of 10 ms, tells a plan that computes from one that waits."""


def measure(trial: Trial, measured: Measured, *, once: bool = False) -> None:
    """Fill `measured`; with `once`, stop after each arm ran, its outputs were compared and its failed items counted.

    Nothing is timed while a hung worker thread of an earlier run lives in this process. Whatever a
    stage raises passes through, with what was measured so far left in `measured`.
    """
    with PoolCaps() as caps:
        _measure(trial, measured, caps, once=once)
        measured.wrong += [_never_compared(arm) for arm in trial.baseline.check.alone]
        locate_all(trial, measured)


def _measure(trial: Trial, measured: Measured, caps: PoolCaps, *, once: bool) -> None:
    try:
        run_first_executions(trial, measured)
    finally:
        _keep_profiles(trial, measured)
    if once:
        ErrorPhase(trial, measured).observe()
    if once or measured.wrong or measured.abandoned:
        return
    with quiet_instruments(caps) as instruments:
        measured.instruments = instruments
        if instruments.were_on:
            _renew_workers(trial)
        monitor = _learn_reference(trial)
        measured.reference = monitor.reference
        try:
            _all_phases(trial, measured, monitor)
        except Mismatch as difference:
            measured.wrong.append(wrong_outputs(_culprit(trial), difference))
        finally:
            measured.reference = monitor.reference
            _keep_profiles(trial, measured)


def _never_compared(arm: str) -> Wrong:
    text = "no item came out in both arms: each one that did here failed in the baseline, so that nothing could be compared"
    return Wrong(arm, "outputs", text)


def _renew_workers(trial: Trial) -> None:
    """End the workers of the first executions: a trace or profile function lives on in each of their threads."""
    for lane in trial.candidates:
        lane.close()


def _all_phases(trial: Trial, measured: Measured, monitor: ControlMonitor) -> None:
    makespans = _size(trial, measured)
    _diagnose(trial)
    _look_ahead(trial, measured, makespans)
    runner = _runner(trial, measured, monitor, makespans)
    ErrorPhase(trial, measured).announce()
    measured.rounds = runner.rounds  # the same list: who asks in the middle sees them
    _warm_up(trial, runner, makespans)
    RatioPhase(trial, measured, runner, monitor).run()
    LatencyPhase(trial, measured, monitor).run()
    MemoryPhase(trial, measured).run()
    ResourcePhase(trial, measured).run()
    ErrorPhase(trial, measured).run()


def _learn_reference(trial: Trial) -> ControlMonitor:
    trial.progress("learning what this machine gives")
    # A narrower control would not feel who takes a core from the widest arm; the first of equals is asked.
    widest = max(
        trial.candidates, key=lambda lane: _control_width(trial, lane), default=trial.baseline
    )
    monitor = trial.machine.monitor(widest.executor, _control_width(trial, widest))
    monitor.learn()
    return monitor


def _control_width(trial: Trial, lane: Lane) -> int:
    """Return the arm's workers, or the cores that the gates ask for when those are more.

    Otherwise a plan that lost its workers would be taken for a host that lacks cores.
    """
    asked = max((largest_speedup(gate, trial) for gate in trial.ladder_gates), default=1.0)
    cores = max(1, trial.machine.environment().cores_usable)
    return min(max(lane.width, math.ceil(asked)), cores)


def _size(trial: Trial, measured: Measured) -> dict[str, float]:
    """Execute every arm again and return the makespan of one execution per arm.

    The baseline's first execution was watched, and workers are slow in theirs: a shape from those
    would have too few repeats.
    """
    trial.progress("warming up")
    trial.baseline.open()
    before = trial.machine.usage()
    trace = trial.baseline.timed_execution(trial.source)
    measured.cpu_share = _cpu_share(trace, before, trial.machine.usage())
    trial.baseline.keep_profile(trace)
    for lane in trial.candidates:
        lane.keep_profile(lane.timed_execution(trial.source))
    return {lane.name: lane.profile.makespan_s for lane in trial.lanes if lane.profile is not None}


def _diagnose(trial: Trial) -> None:
    for lane in trial.candidates:
        if lane.is_diagnosable:
            trial.progress(f"looking into the devices of {lane.name}")
            lane.diagnose(trial.source)


def _look_ahead(trial: Trial, measured: Measured, makespans: dict[str, float]) -> None:
    """Sample what the explanations need besides times, and say what the plan can reach, before the rounds."""
    if not trial.candidates or not trial.predicts:
        return
    if (measured.cpu_share or 0.0) >= COMPUTES:
        trial.progress("watching which stages hold the GIL")
        measured.gil_shares = trial.machine.gil_shares(
            lambda: trial.baseline.timed_execution(trial.source), makespans[trial.baseline.name]
        )
    elif not trial.machine.environment().gil:
        measured.gil_shares = None
    with trial.baseline.surrounded(), dropped_prints():
        measured.shipping = sample_shipping(
            trial.plan, trial.source, measured.outputs, trial.machine.clock
        )
    measured.half_batches = sample_half_batches(
        trial.baseline,
        trial.plan,
        trial.source,
        expected_s=makespans[trial.baseline.name],
        budget_s=trial.budget_s,
    )
    _keep_profiles(trial, measured)
    measured.outlook = tuple(trial.outlook(trial, measured))
    for sentence in measured.outlook:
        trial.progress(sentence)


def _cpu_share(trace: Trace, before: Usage, after: Usage) -> float:
    """Return CPU time / wall time without the time in which the plan was ready and had no core.

    A plan that computes would otherwise look on a crowded machine like one that waits (measured: 0.3
    beside two neighbours), which no crowd excuses. The same holds for one that computes in programs
    that its stages start, which the ledger's clocks leave out. Where nothing could be read the plan
    counts as one that computes: 1.
    """
    ledger_s = sum(row.cpu_s for row in trace.ledger.rows)
    is_readable = trace.makespan_s >= LEAST_READABLE_S
    if not ledger_s and not is_readable:
        return 1.0
    used_s = ledger_s or after.own_cpu_s - before.own_cpu_s
    if ledger_s and is_readable:
        used_s += after.children_cpu_s - before.children_cpu_s
    own_s = max(used_s, trace.makespan_s - (after.waited_s - before.waited_s))
    return used_s / own_s if own_s > 0 else 0.0


def _runner(
    trial: Trial, measured: Measured, monitor: ControlMonitor, makespans: dict[str, float]
) -> RoundRunner:
    limits = [largest_speedup(gate, trial) for gate in trial.ladder_gates]
    quota = trial.machine.environment().cpu_quota
    # Arms of no more workers than the quota has cores cannot outrun it.
    is_limited = quota is not None and quota < max(lane.width for lane in trial.lanes)
    measured.shape = choose_shape(makespans, trial.baseline.name, is_limited=is_limited)
    measured.order_seed = trial.machine.draw_seed()
    return RoundRunner(
        trial.lanes,
        trial.source,
        measured.shape,
        machine=trial.machine,
        monitor=monitor,
        capacity=Capacity(monitor.reference, measured.cpu_share or 0.0, max(limits, default=1.0)),
        began_ns=trial.machine.clock.now_ns(),
        seed=measured.order_seed,
        quota=quota,
        cold=frozenset(gate.executor for gate in trial.ladder_gates if gate.requirement.cold),
    )


def _warm_up(trial: Trial, runner: RoundRunner, makespans: dict[str, float]) -> None:
    if sum(makespans.values()) > LONG_PAIR_S:
        return
    for _ in range(WARM_UP_ROUNDS):
        each = runner.run(Phase.WARM_UP)
        for gate in trial.round_gates:
            gate.observe(each)


def _culprit(trial: Trial) -> str:
    return next((lane.name for lane in trial.lanes if lane.has_mismatch), trial.baseline.name)


def _keep_profiles(trial: Trial, measured: Measured) -> None:
    measured.profiles = {
        lane.name: lane.profile for lane in trial.lanes if lane.profile is not None
    }
    hung = [name for lane in trial.lanes for name in lane.abandoned]
    measured.abandoned = tuple(dict.fromkeys([*measured.abandoned, *hung]))
