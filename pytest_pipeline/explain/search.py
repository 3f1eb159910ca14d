"""Settings worth measuring, found by simulation from one profile: no setting is run here.

Workers go one by one to the stage with the most service time per worker, which is the best place for each of
them when service times are even. Queue sizes are tried for the quickest of these allocations. Bounded: at most
`Space.most_workers` + queue sizes + 1 simulations per executor and batch size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pytest_pipeline.explain.ceiling import Line
from pytest_pipeline.explain.costs import costed_line
from pytest_pipeline.explain.profile import service_matrix
from pytest_pipeline.explain.profiled import Layout, Profiled
from pytest_pipeline.model.change import Change
from pytest_pipeline.model.plan import SOURCE_STAGE, Plan
from pytest_pipeline.model.trace import Trace

CLOSE = 0.02
"""Relative difference of two predictions below which the cheaper setting stands for both."""


@dataclass(frozen=True, slots=True)
class Space:
    """Where to look."""

    most_workers: int
    """Worker slots over all stages, or of the pool."""
    queue_sizes: Sequence[int]
    """Tried for all the stages together."""
    has_pool: bool = True
    """Whether an executor with a pool of its own can be given another size."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """One simulated setting."""

    change: Change
    """What differs from the plan as declared."""
    executor: str
    """Name of the arm."""
    workers: int
    """Worker slots in use."""
    makespan_s: float
    """Simulated makespan of all the items, seconds."""


def predictions(
    arm: Profiled, name: str, space: Space, plan: Plan, baseline: Trace
) -> list[Predicted]:
    """Return the settings of executor `name` that were simulated, the plan as declared first.

    `plan` is the arm's own or the same with other batches, `baseline` an execution of it.
    """
    line = costed_line(arm, plan, baseline)
    if not line.serial_s:
        return []
    # Those that are simulated may take a little more or less than the mean of all.
    mean_s = float(service_matrix(baseline).mean(axis=0).sum())
    whole = mean_s * baseline.num_items / (line.serial_s * line.stands_for)
    look = _Look(arm, name, plan, whole)
    if arm.layout in {Layout.POOLED, Layout.FUSED}:
        widths = range(1, space.most_workers + 1) if space.has_pool else ()
        return [look.at(each) for each in (line, *(_pool_of(line, width) for width in widths))]
    lines = [line, *_allocations(line, space.most_workers)]
    made = [look.at(each) for each in lines]
    quickest = made.index(cheapest(made))
    made += [look.at(_queues_of(lines[quickest], size)) for size in space.queue_sizes]
    return made


def cheapest(found: Sequence[Predicted]) -> Predicted:
    """Return the one with the fewest workers among those as quick as the quickest."""
    quick = min(each.makespan_s for each in found) * (1 + CLOSE)
    return min(
        (each for each in found if each.makespan_s <= quick),
        key=lambda each: (each.workers, each.makespan_s),
    )


def worth_measuring(found: Sequence[Predicted]) -> list[Predicted]:
    """Return, quickest first, the settings that no cheaper one of the same executor is as quick as."""
    kept: dict[str, list[Predicted]] = {}
    for each in sorted(found, key=_cost):
        rivals = kept.setdefault(each.executor, [])
        if all(each.makespan_s < rival.makespan_s * (1 - CLOSE) for rival in rivals):
            rivals.append(each)
    return sorted((each for rivals in kept.values() for each in rivals), key=lambda e: e.makespan_s)


def _cost(each: Predicted) -> tuple[int, bool, bool, float]:
    """Return what a person would rather not change: workers, then queues, then batches."""
    return each.workers, bool(each.change.queue_size), bool(each.change.batch), each.makespan_s


@dataclass(frozen=True, slots=True)
class _Look:
    """Simulates lines of one plan and names what differs from the declared one."""

    arm: Profiled
    name: str
    plan: Plan
    whole: float

    def at(self, line: Line) -> Predicted:
        change = self._change(line)
        hosted = [
            count for name, count in zip(line.names, line.workers, strict=True) if _is_hosted(name)
        ]
        return Predicted(change, self.name, sum(hosted), line.makespan_s() * self.whole)

    def _change(self, line: Line) -> Change:
        declared = self.arm.plan
        batch = {
            name: new.batch
            for name, new, old in zip(
                declared.names, self.plan.stages, declared.stages, strict=True
            )
            if new.batch is not None and new.batch != old.batch
        }
        if self.arm.layout in {Layout.POOLED, Layout.FUSED}:
            width = line.workers[-1]
            return Change(self.name, batch=batch, pool=None if width == self.arm.width else width)
        workers = dict(zip(line.names, line.workers, strict=True))
        queues = dict(zip(line.names, line.queue_sizes, strict=True))
        stages = list(zip(declared.names, declared.stages, strict=True))
        return Change(
            self.name,
            workers={name: workers[name] for name, old in stages if workers[name] != old.workers},
            queue_size={
                name: queues[name] for name, old in stages if queues[name] != old.queue_size
            },
            batch=batch,
        )


def _is_hosted(name: str) -> bool:
    return name not in {SOURCE_STAGE, "(sender)"}


def _allocations(line: Line, most: int) -> Iterator[Line]:
    first = int(line.names[0] == SOURCE_STAGE)
    bare = line.staffed((1,) * len(line.names))
    yield bare
    while sum(bare.workers[first:]) < most:
        slow = bare.slowest()
        if slow < first:
            return  # the source has one thread: more workers behind it would starve
        bare = bare.widened(slow)
        yield bare


def _pool_of(line: Line, width: int) -> Line:
    return line.staffed((*line.workers[:-1], width))


def _queues_of(line: Line, size: int) -> Line:
    return replace(
        line,
        queue_sizes=tuple(
            old if name == SOURCE_STAGE else size
            for name, old in zip(line.names, line.queue_sizes, strict=True)
        ),
    )
