"""A change of a declared plan as data: what a person may write, and a tuner may apply."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace

from pytest_pipeline.model.plan import Plan, Stage


@dataclass(frozen=True, slots=True)
class Change:
    """What differs from the plan as declared; stages and counts that are not named stay as they are."""

    executor: str = ""
    """Name of the arm that runs it; empty = the same one."""
    workers: Mapping[str, int] = field(default_factory=dict)
    """Stage name -> worker slots."""
    queue_size: Mapping[str, int] = field(default_factory=dict)
    """Stage name -> items that may wait in front of it (batches, in a plan that has any)."""
    batch: Mapping[str, int] = field(default_factory=dict)
    """Stage name -> items per call."""
    pool: int | None = None
    """Workers of the executor's own pool; None = as configured, or it has none."""

    @property
    def is_nothing(self) -> bool:
        """Whether the plan stays as declared, under whichever executor."""
        return not (self.workers or self.queue_size or self.batch or self.pool)

    def applied(self, plan: Plan) -> Plan:
        """Return the changed plan."""
        stages = [
            self._changed(stage, name) for stage, name in zip(plan.stages, plan.names, strict=True)
        ]
        return replace(plan, stages=tuple(stages))

    def code(self, pool: str = "", *, plan: Plan | None = None) -> str:
        """Return what to write: `Stage(parse, workers=2, queue_size=4)`; `pool` names the executor's class.

        With the `plan` that changes, it repeats what its stages declare besides, and says `workers=2 for stage
        'parse orders'` where the code has no function of that name.
        """
        stages = {} if plan is None else dict(zip(plan.names, plan.stages, strict=True))
        parts = [_written(name, counts, stages.get(name)) for name, counts in self._by_stage()]
        if self.pool is not None:
            parts.append(f"{pool or self.executor}(workers={self.pool})")
        return ", ".join(parts)

    def words(self) -> str:
        """Return the same for a table: `parse: workers=2, queue_size=4`."""
        parts = [f"{name}: {_arguments(counts)}" for name, counts in self._by_stage()]
        if self.pool is not None:
            parts.append(f"pool of {self.pool}")
        return "; ".join(parts) or "as declared"

    def _by_stage(self) -> Iterator[tuple[str, dict[str, int]]]:
        """Yield each changed stage with the counts that change."""
        for name in dict.fromkeys([*self.workers, *self.queue_size, *self.batch]):
            counts = {
                what: values[name]
                for what, values in (
                    ("workers", self.workers),
                    ("queue_size", self.queue_size),
                    ("batch", self.batch),
                )
                if name in values
            }
            yield name, counts

    def _changed(self, stage: Stage, name: str) -> Stage:
        return replace(
            stage,
            workers=self.workers.get(name, stage.workers),
            queue_size=self.queue_size.get(name, stage.queue_size),
            batch=self.batch.get(name, stage.batch),
        )


def _written(name: str, counts: Mapping[str, int], stage: Stage | None) -> str:
    """Return what to write for one stage; as if it declared nothing else where it is not known."""
    if stage is None:
        return f"Stage({name}, {_arguments(counts)})"
    if not is_called(stage, name):
        return f"{_arguments(counts)} for stage {name!r}"
    said = {
        each.name: counts.get(each.name, getattr(stage, each.name))
        for each in fields(Stage)
        if each.name not in {"fn", "name"}
        if each.name in counts or getattr(stage, each.name) != each.default
    }
    return f"Stage({name}, {_arguments(said)})"


def is_called(stage: Stage, name: str) -> bool:
    """Return whether the code calls the stage's function `name`.

    It does not for a lambda, a partial, a method, an object, a name of the user's choice, or a second use.
    """
    qualified = str(getattr(stage.fn, "__qualname__", ""))
    return qualified.rpartition("<locals>.")[2] == name


def _arguments(values: Mapping[str, object]) -> str:
    return ", ".join(f"{what}={json.dumps(value)}" for what, value in values.items())
