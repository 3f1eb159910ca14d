"""A setting of a plan: one cell of a grid, or a change that an arm makes by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pytest_pipeline.errors import UsageError
from pytest_pipeline.executors.batches import open_plan
from pytest_pipeline.executors.protocol import Executor, Running
from pytest_pipeline.model.change import Change
from pytest_pipeline.model.plan import Plan, Stage

MOST_SETTINGS = 200
"""Settings of one grid; more is a mistake, not a study."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One cell of the grid; every executor is measured in it, beside the same baseline."""

    workers: int
    """Workers per stage, or of the pool."""
    queue_size: int | None
    """Queue size of every stage; None = as declared."""
    batch_size: int | None = None
    """Items per call of the stages that declare a batch; None = as declared."""

    def __str__(self) -> str:
        queue = "" if self.queue_size is None else f", queue_size={self.queue_size}"
        batch = "" if self.batch_size is None else f", batch_size={self.batch_size}"
        return f"workers={self.workers}{queue}{batch}"

    def stages(self, plan: Plan) -> list[Stage]:
        """Return the stages of `plan` in this setting."""
        return [self._set(stage) for stage in plan.stages]

    def executor(self, executor: Executor) -> Executor:
        """Return `executor` with a pool of `workers` when it has a pool of its own."""
        return with_pool(executor, self.workers)

    def _set(self, stage: Stage) -> Stage:
        has_batch = stage.batch is not None and self.batch_size is not None
        return replace(
            stage,
            workers=self.workers,
            queue_size=stage.queue_size if self.queue_size is None else self.queue_size,
            batch=self.batch_size if has_batch else stage.batch,
        )


class InSetting:
    """An arm that runs every plan with a change of its own: arms of one comparison can differ in their settings."""

    makes_batches = True
    """A batch size may change: what travels is cut behind this executor, not before it."""

    def __init__(self, executor: Executor, change: Change, name: str) -> None:
        self._inner = executor if change.pool is None else with_pool(executor, change.pool)
        self._change = change
        self._name = name

    @property
    def name(self) -> str:
        """The arm's name."""
        return self._name

    @property
    def kind(self) -> str:
        """Name of the executor inside: arms of one kind share a control kernel."""
        return self._inner.name

    @property
    def ships_stages(self) -> bool:
        """Whether the executor inside runs the stages in other processes."""
        return bool(getattr(self._inner, "ships_stages", False))

    def workers(self, plan: Plan) -> int:
        """Return the worker slots after the change."""
        return self._inner.workers(self._change.applied(plan))

    def unavailable(self) -> str | None:
        """Return why the executor inside cannot run here."""
        return self._inner.unavailable()

    def open(self, plan: Plan) -> Running:
        """Start the workers of the changed plan."""
        return open_plan(self._inner, self._change.applied(plan))


def with_pool(executor: Executor, workers: int) -> Executor:
    """Return `executor` with a pool of `workers` when it has a pool of its own."""
    resize = getattr(executor, "with_workers", None)
    return executor if resize is None else resize(workers)


def make_grid(
    plan: Plan,
    workers: Sequence[int],
    queue_size: Sequence[int] | None,
    batch_size: Sequence[int] | None,
) -> list[Setting]:
    """Return every combination once; raises `UsageError` for values that are no counts, or too many."""
    check_counts("workers", workers)
    if queue_size is not None:
        check_counts("queue_size", queue_size)
    if batch_size is not None:
        check_counts("batch_size", batch_size)
        if not plan.is_batched:
            raise UsageError(
                f"sweep(batch_size={batch_size!r}): no stage takes batches; "
                "declare which one does, e.g. Stage(embed, batch=8), with a function that takes a list"
            )
    queues: Sequence[int | None] = queue_size or [None]
    batches: Sequence[int | None] = batch_size or [None]
    made = [Setting(each, size, batch) for batch in batches for size in queues for each in workers]
    made = list(dict.fromkeys(made))
    if len(made) > MOST_SETTINGS:
        raise UsageError(f"sweep: {len(made)} settings, at most {MOST_SETTINGS}: use fewer values")
    return made


def check_counts(what: str, values: object, study: str = "sweep") -> None:
    """Raise `UsageError` unless `values` is a list of whole numbers from 1."""
    if not (isinstance(values, list | tuple | range) and values and all(map(_is_count, values))):
        raise UsageError(f"{study}({what}={values!r}): expected a list of whole numbers from 1")


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
