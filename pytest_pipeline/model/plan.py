"""What the user declares: stages, their workers and queues, arrivals, and the plan they form."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_pipeline.errors import UsageError
from pytest_pipeline.model.callables import function_name, refuse_unsupported
from pytest_pipeline.model.units import (
    number_from_zero,
    optional_whole_number,
    positive_number,
    whole_number,
)

SOURCE_STAGE = "source"
"""Name of the pseudo-stage that holds the time of a callable `items`."""

ON_HOST = "cpu"
"""`Stage.device` of a stage that the cuda executor keeps on threads."""


CHUNKS_AHEAD = 7
"""Chunks per worker process that may be on their way: a worker runs a chunk of null items in less time
than it takes to wake the caller's process for the next one."""

MOST_TOGETHER = 16
"""Largest batches that may travel as one, so that the batches of other stages fit in whole."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One user function with its concurrency. Plain functions are wrapped in it by themselves.

    Raises `UsageError` when `fn` is not callable or a count is below one.
    """

    fn: Callable[[Any], Any]
    """Takes one item, returns the next stage's item (with `batch`, lists of them)."""
    name: str | None = field(default=None, kw_only=True)
    """Shown in messages and reports; by default the function's own name."""
    workers: int = field(default=1, kw_only=True)
    """Worker slots of this stage (threads, or processes with `layout="staged"`)."""
    queue_size: int = field(default=16, kw_only=True)
    """Items that may wait in front of this stage: the backpressure bound (chunks, when `chunk` > 1)."""
    chunk: int = field(default=1, kw_only=True)
    """Items handed over at a time: a chunk waits to fill, travels through the plan whole, and
    its items share its latency. All the stages of a plan have the same."""
    batch: int | None = field(default=None, kw_only=True)
    """Items per call: `fn` takes a list of so many, only the last may be shorter, and returns a list with an
    output for each. All the executors, the baseline too, make the same batches: item i is in batch i // `batch`.
    What travels through the plan is then a whole number of batches, and `queue_size` counts those. None = an item per call."""
    device: str | None = field(default=None, kw_only=True)
    """Under `cuda`: `"cuda:1"`, or `"cpu"` to stay on threads; by default the executor's device. Other
    executors run every stage on the host."""

    def __post_init__(self) -> None:
        if not callable(self.fn):
            raise UsageError(
                f"a stage must be callable, found {type(self.fn).__name__} {_short(self.fn)}: pass the function itself, not its result"
            )
        for what in ("workers", "queue_size", "chunk"):
            self._make_int(what, whole_number)
        self._make_int("batch", optional_whole_number)
        if self.device is not None and (not isinstance(self.device, str) or not self.device):  # type: ignore[redundant-expr]  # users pass anything
            raise UsageError(
                f'Stage {self.label!r}: device={self.device!r}: expected a name such as "cuda:1", or "cpu"'
            )
        refuse_unsupported(self.label, self.fn)

    def _make_int(self, what: str, made: Callable[..., int | None]) -> None:
        """Hold a plain `int` where a numpy one was given: reports are JSON, and messages show the number."""
        number = made(getattr(self, what), what=f"Stage {self.label!r}: {what}")
        object.__setattr__(self, what, number)

    @property
    def label(self) -> str:
        """The given name, or one derived from the function."""
        return self.name if self.name is not None else function_name(self.fn)


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Open-loop arrivals: items come at `rate` whatever the pipeline does.

    Latency is then counted from the *intended* start (Tene's coordinated omission; wrk2).
    Raises `UsageError` for a rate that is not positive or a distribution of another name.
    """

    rate: float
    """Items per second offered."""
    distribution: str = "constant"
    """`"constant"` (every 1/rate seconds) or `"poisson"` (exponential gaps)."""
    seed: int = 0
    """Seed of the Poisson gaps; the schedule is computed up front."""

    def __post_init__(self) -> None:
        positive_number(self.rate, what="Arrivals(rate)", accepts="items per second")
        if self.distribution not in {"constant", "poisson"}:
            raise UsageError(
                f'Arrivals(distribution={self.distribution!r}): expected "constant" or "poisson"'
            )


@dataclass(frozen=True, slots=True)
class Close:
    """Declared tolerance for outputs that legitimately differ in the last bits.

    Equal are values with |actual - expected| <= atol + rtol x |expected|, as in `numpy.testing.assert_allclose`.
    Raises `UsageError` for a tolerance that is negative or not finite.
    """

    rtol: float = 1e-7
    """Relative tolerance, a share of the expected value."""
    atol: float = 0.0
    """Absolute tolerance, in the unit of the outputs."""

    def __post_init__(self) -> None:
        number_from_zero(self.rtol, what="Close(rtol)")
        number_from_zero(self.atol, what="Close(atol)")


@dataclass(frozen=True, slots=True)
class Plan:
    """The declared pipeline, ready for any executor."""

    stages: tuple[Stage, ...]
    """In the order in which an item visits them."""
    names: tuple[str, ...]
    """One unique name per stage: `label`, or `label#2` for a repeated one."""
    timeout_s: float = 60.0
    """Seconds after which an execution that has not ended is a failure."""
    items_each: int = 1
    """Items of the source in one of what the stages take: above 1 where whole batches travel (`executors.batches`)."""

    @property
    def total_workers(self) -> int:
        """Worker slots over all stages."""
        return sum(stage.workers for stage in self.stages)

    @property
    def chunk(self) -> int:
        """Items handed over at a time."""
        return self.stages[0].chunk

    @property
    def is_batched(self) -> bool:
        """Whether some stage takes lists of items."""
        return bool(self.batches)

    @property
    def batches(self) -> dict[str, int]:
        """Return items per call of the stages that take lists, by name."""
        stages = zip(self.names, self.stages, strict=True)
        return {name: stage.batch for name, stage in stages if stage.batch is not None}

    @property
    def full_batch(self) -> int:
        """The fewest items that are a whole number of batches for every stage; 1 without batches."""
        return math.lcm(*(stage.batch or 1 for stage in self.stages))

    @property
    def together(self) -> int:
        """Items that travel together as declared: a chunk, rounded up to whole batches."""
        return -(-self.chunk // self.full_batch) * self.full_batch


@dataclass(frozen=True, slots=True)
class Source:
    """Where one execution gets its items, and how fast it may take them."""

    factory: Callable[[], Iterator[Any]]
    """Returns a fresh iterator for every execution."""
    is_timed: bool = False
    """True when the user passed a callable: `next()` is then the `source` stage."""
    is_lazy: bool = False
    """True when the items are not known to lie in memory: `next()` may take its time, or never return."""
    offsets_ns: Sequence[int] | None = None
    """Open loop: intended start of item i, nanoseconds after the start. None = closed loop."""
    in_flight: int | None = None
    """Closed loop: most items inside at once; a plan with batches lets in one `full_batch` at least.
    None = the executor's own bound (sum of queue sizes + workers)."""
    collects_errors: bool = False
    """Collect failed items in `Trace.failures` instead of stopping at the first."""

    @property
    def may_wait(self) -> bool:
        """Whether taking an item may wait, so that a thread of its own has to take them."""
        return self.is_timed or self.is_lazy or self.offsets_ns is not None


def make_plan(stages: object, *, timeout_s: float = 60.0) -> Plan:
    """Validate `stages` and return the `Plan`; raises `UsageError` for none or a non-callable one."""
    if isinstance(stages, str) or not isinstance(stages, Sequence):
        raise UsageError(
            f"stages must be a list of callables, found {type(stages).__name__}: write pipeline.run([stage], items)"
        )
    if not stages:
        raise UsageError("no stages: pipeline.run needs at least one callable")
    made = tuple(stage if isinstance(stage, Stage) else Stage(stage) for stage in stages)
    _refuse_uneven_chunks(made)
    _refuse_uneven_batches(made)
    seen: dict[str, int] = {}
    names = []
    for stage in made:
        seen[stage.label] = seen.get(stage.label, 0) + 1
        names.append(
            stage.label if seen[stage.label] == 1 else f"{stage.label}#{seen[stage.label]}"
        )
    return Plan(made, tuple(names), timeout_s=timeout_s)


def _refuse_uneven_chunks(stages: Sequence[Stage]) -> None:
    if len({stage.chunk for stage in stages}) > 1:
        found = ", ".join(f"{stage.label!r} {stage.chunk}" for stage in stages)
        raise UsageError(
            f"chunk differs between stages ({found}): a chunk travels through the plan whole, so give every stage the same, or the executor: Threads(chunk=...)"
        )


def _refuse_uneven_batches(stages: Sequence[Stage]) -> None:
    sizes = [stage.batch for stage in stages if stage.batch is not None]
    together = math.lcm(*sizes)
    if sizes and together > MOST_TOGETHER * max(sizes):
        raise UsageError(
            f"batches of {', '.join(map(str, sizes))} items begin together only every {together} items, which would all travel as one: "
            "let the larger be a multiple of the smaller, e.g. 8 and 64"
        )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
