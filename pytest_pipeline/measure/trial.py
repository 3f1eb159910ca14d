"""What is to be measured, and what has been measured so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from pytest_pipeline.judge.conclude import Circumstances
from pytest_pipeline.judge.evidence import (
    Observed,
    most_frequent_disturbance,
    summarise,
    throttled_share,
)
from pytest_pipeline.judge.failures import ErrorRateGate
from pytest_pipeline.judge.gate import Errors, Gate
from pytest_pipeline.judge.ladder import LadderGate
from pytest_pipeline.judge.latency import LatencyGate
from pytest_pipeline.judge.memory import MemoryGate
from pytest_pipeline.judge.overlap import OverlapGate
from pytest_pipeline.measure.checks.sameness import Mismatch
from pytest_pipeline.measure.instruments import Instruments
from pytest_pipeline.measure.lane import Lane
from pytest_pipeline.measure.machine import Machine
from pytest_pipeline.measure.shape import Shape
from pytest_pipeline.model.memory import MemoryReading
from pytest_pipeline.model.plan import Arrivals, Plan, Source
from pytest_pipeline.model.resources import Resources
from pytest_pipeline.model.rounds import LatencyBlock, Reference, Round
from pytest_pipeline.model.trace import Trace
from pytest_pipeline.model.whatif import HalfBatches, Shipping

G = TypeVar("G")

QUOTA_SHARE = 0.25
"""Share of rounds or blocks stopped by the CPU quota above which the quota is why a gate stayed open."""


@dataclass(frozen=True, slots=True)
class Trial:
    """Everything that a measurement needs to know; nothing in it changes."""

    plan: Plan
    """The declared pipeline."""
    source: Source
    """The items."""
    baseline: Lane
    """The arm the others are compared with."""
    candidates: Sequence[Lane]
    """The other arms, available ones only."""
    gates: Sequence[Gate]
    """What is asked of the arms."""
    arrivals: Arrivals | None
    """Arrivals of the latency blocks, when the user gave some."""
    machine: Machine
    """Time, control kernels, counters."""
    errors: Errors
    """Tolerated error rates of one gate."""
    budget_s: float
    """Soft target for the seconds of measuring."""
    max_rounds: int
    """Clean rounds after which an open gate is near its limit."""
    progress: Callable[[str], None]
    """Shows one line about what happens now."""
    outlook: Callable[[Trial, Measured], Sequence[str]] = field(default=lambda *_: ())
    """Says before the rounds what the plan can reach, one sentence per arm with a gate on the speedup."""
    predicts: bool = True
    """Whether somebody reads ceilings, what-ifs and resources: only then their samples are taken."""
    company: str = ""
    """Why others may run at the same time; empty when this test is alone."""

    @property
    def ladder_gates(self) -> list[LadderGate]:
        """Gates that bet on clean rounds."""
        return self._gates_of(LadderGate)

    @property
    def overlap_gates(self) -> list[OverlapGate]:
        """Gates that look at the executions of every round."""
        return self._gates_of(OverlapGate)

    @property
    def latency_gates(self) -> list[LatencyGate]:
        """Gates that bet on latency blocks."""
        return self._gates_of(LatencyGate)

    @property
    def error_gates(self) -> list[ErrorRateGate]:
        """Gates that count failed items."""
        return self._gates_of(ErrorRateGate)

    @property
    def memory_gates(self) -> list[MemoryGate]:
        """Gates that look at the memory of executions of their own."""
        return self._gates_of(MemoryGate)

    def _gates_of(self, kind: type[G]) -> list[G]:
        return [gate for gate in self.gates if isinstance(gate, kind)]

    @property
    def round_gates(self) -> list[LadderGate | OverlapGate]:
        """All the gates that share the rounds."""
        return [*self.ladder_gates, *self.overlap_gates]

    @property
    def lanes(self) -> list[Lane]:
        """Baseline and candidates."""
        return [self.baseline, *self.candidates]

    def lane(self, name: str) -> Lane:
        """Return the lane of the arm `name`."""
        return next(lane for lane in self.lanes if lane.name == name)


@dataclass(frozen=True, slots=True)
class Wrong:
    """Why the times of an arm mean nothing."""

    executor: str
    """The arm."""
    kind: str
    """`outputs` that differ, `items` that are modified, or outputs that are `rewritten` later."""
    text: str
    """The whole sentence."""
    item: int | None = None
    """The first item whose output differs, where that is known."""
    is_random: bool = False
    """The baseline gives other outputs each time, too."""
    begins: str = ""
    """At which stage outputs begin to differ, in words; empty where that could not be told."""


def wrong_outputs(arm: str, difference: Mismatch) -> Wrong:
    """Return what to say of an arm whose outputs differ."""
    return Wrong(arm, "outputs", str(difference), difference.item)


@dataclass(slots=True)
class Measured:
    """What there is so far; filled in as it happens, so that an interruption loses nothing."""

    outputs: list[Any] = field(default_factory=list)
    """The baseline's outputs."""
    num_items: int = 0
    """Items of one execution."""
    items_mark: str = ""
    """Mark of their types and sizes, hex digits; empty before the first execution."""
    wrong: list[Wrong] = field(default_factory=list)
    """Arms whose outputs differ or that modified items."""
    profiles: dict[str, Trace] = field(default_factory=dict)
    """Per arm, the execution that explains it."""
    rounds: list[Round] = field(default_factory=list)
    """All rounds."""
    rounds_s: float = 0.0
    """Seconds of the rounds alone, without confirmations and waits."""
    blocks: list[LatencyBlock] = field(default_factory=list)
    """All latency blocks."""
    readings: dict[str, list[MemoryReading]] = field(default_factory=dict)
    """Per arm that was sampled, the memory of its executions."""
    resources: dict[str, Resources] = field(default_factory=dict)
    """Per arm, what its profile execution used."""
    reference: Reference | None = None
    """What the control kernel showed."""
    shape: Shape | None = None
    """How a round looks."""
    order_seed: int | None = None
    """What the order of the arms was drawn from; None before the first round."""
    instruments: Instruments = field(default_factory=lambda: Instruments((), ""))
    """Tracing, coverage, BLAS pools."""
    cpu_share: float | None = None
    """Baseline CPU time / wall time."""
    gil_shares: Mapping[str, float] | None = field(default_factory=dict)
    """Per stage, the share of service with the GIL held, 0-1, where observed; None without a GIL."""
    shipping: Shipping | None = None
    """What sending items to worker processes takes; None when not sampled."""
    half_batches: HalfBatches | None = None
    """The baseline on half batches; None without batches, or when that was too long or failed."""
    first_service_s: dict[str, Mapping[str, float]] = field(default_factory=dict)
    """Per arm and stage, median service time of the first execution, seconds."""
    outlook: tuple[str, ...] = ()
    """What was said about the ceilings before the rounds."""
    shortfalls: dict[int, str] = field(default_factory=dict)
    """By gate (id): why this host cannot give what it asks."""
    hidden: dict[int, str] = field(default_factory=dict)
    """By gate (id): why its readings may show too little; empty when they cannot."""
    mistrusts: dict[int, str] = field(default_factory=dict)
    """By gate (id): why the control kernel cannot tell clean rounds for it."""
    budget_short: dict[int, str] = field(default_factory=dict)
    """By gate (id): why the budget cannot hold a verdict."""
    unreachable: dict[int, str] = field(default_factory=dict)
    """By gate (id): why this plan can never meet it."""
    self_disturbed: set[int] = field(default_factory=set)
    """Gates (id) that stayed open because the code under test itself keeps the machine busy."""
    hung_before: tuple[str, ...] = ()
    """Worker threads that hung in earlier runs of this process, and still do."""
    abandoned: tuple[str, ...] = ()
    """Hung worker threads, those of earlier runs included."""

    def circumstances(self, gate: Gate, company: str = "") -> Circumstances:
        """Return what may explain why `gate` stayed open."""
        observed = self._observed(gate)
        return Circumstances(
            company=company,
            shortfall=self.shortfalls.get(id(gate), "") or self.hidden.get(id(gate), ""),
            mistrust=self.mistrusts.get(id(gate), ""),
            traced=self.instruments.traced,
            self_disturbed=id(gate) in self.self_disturbed,
            unconfirmed=gate.unconfirmed if isinstance(gate, LadderGate | LatencyGate) else "",
            abandoned=self.abandoned,
            budget_short=self.budget_short.get(id(gate), ""),
            throttled=throttled_share(observed) > QUOTA_SHARE,
            disturbance=most_frequent_disturbance(observed),
            seen=summarise(observed, "blocks" if isinstance(gate, LatencyGate) else "rounds"),
            unreachable=self.unreachable.get(id(gate), ""),
        )

    def shortest_s(self, lane: Lane) -> float:
        """Return the shortest makespan of one execution in clean rounds, seconds; the profiled one's before any round.

        0 where every round was disturbed: what takes long there may take no time elsewhere.
        """
        if not any(lane.name in each.makespans_s for each in self.rounds):
            return 0.0 if lane.profile is None else lane.profile.makespan_s
        clean = (each.makespans_s.get(lane.name, ()) for each in self.rounds if each.is_clean)
        return min((seconds for each in clean for seconds in each), default=0.0)

    def _observed(self, gate: Gate) -> Sequence[Observed]:
        """Return what `gate` has looked at, clean or not as it took it."""
        if isinstance(gate, LatencyGate):
            return blocks_of(gate, self.blocks)
        if isinstance(gate, LadderGate) and gate.speedup_needed is None:
            return [replace(each, is_clean=each.is_steady) for each in self.rounds]
        return self.rounds


def blocks_of(gate: LatencyGate, blocks: Sequence[LatencyBlock]) -> list[LatencyBlock]:
    """Return the blocks that ran for `gate`: two gates on one arm may differ in their arrival rates.

    One without a rate, its own or that of the test's arrivals, runs in closed loop.
    """
    asked = (gate.executor, gate.requirement.rate_per_s)
    return [block for block in blocks if (block.executor, block.rate_per_s) == asked]


def largest_speedup(gate: LadderGate, trial: Trial) -> float:
    """Return the most that `gate` rests on: the speedup it asks for, or all the workers of its arm."""
    needed = gate.speedup_needed
    return float(trial.lane(gate.executor).width) if needed is None else needed
