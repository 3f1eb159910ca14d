"""A change of a declared plan as data: what a person may write, and a tuner may apply."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

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

    def code(self, pool: str = "") -> str:
        """Return what to write: `Stage(parse, workers=2, queue_size=4)`; `pool` names the executor's class."""
        parts = [f"Stage({name}, {', '.join(counts)})" for name, counts in self._by_stage()]
        if self.pool is not None:
            parts.append(f"{pool or self.executor}(workers={self.pool})")
        return ", ".join(parts)

    def words(self) -> str:
        """Return the same for a table: `parse: workers=2, queue_size=4`."""
        parts = [f"{name}: {', '.join(counts)}" for name, counts in self._by_stage()]
        if self.pool is not None:
            parts.append(f"pool of {self.pool}")
        return "; ".join(parts) or "as declared"

    def _by_stage(self) -> Iterator[tuple[str, list[str]]]:
        """Yield each changed stage with the counts that change."""
        for name in dict.fromkeys([*self.workers, *self.queue_size, *self.batch]):
            counts = [
                f"{what}={values[name]}"
                for what, values in (
                    ("workers", self.workers),
                    ("queue_size", self.queue_size),
                    ("batch", self.batch),
                )
                if name in values
            ]
            yield name, counts

    def _changed(self, stage: Stage, name: str) -> Stage:
        return replace(
            stage,
            workers=self.workers.get(name, stage.workers),
            queue_size=self.queue_size.get(name, stage.queue_size),
            batch=self.batch.get(name, stage.batch),
        )
