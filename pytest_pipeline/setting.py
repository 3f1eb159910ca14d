"""One cell of a grid of settings, and how a plan and an executor look in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pytest_pipeline.errors import UsageError
from pytest_pipeline.executors.protocol import Executor
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
        resize = getattr(executor, "with_workers", None)
        return executor if resize is None else resize(self.workers)

    def _set(self, stage: Stage) -> Stage:
        has_batch = stage.batch is not None and self.batch_size is not None
        return replace(
            stage,
            workers=self.workers,
            queue_size=stage.queue_size if self.queue_size is None else self.queue_size,
            batch=self.batch_size if has_batch else stage.batch,
        )


def make_grid(
    plan: Plan,
    workers: Sequence[int],
    queue_size: Sequence[int] | None,
    batch_size: Sequence[int] | None,
) -> list[Setting]:
    """Return every combination once; raises `UsageError` for values that are no counts, or too many."""
    _check_counts("workers", workers)
    if queue_size is not None:
        _check_counts("queue_size", queue_size)
    if batch_size is not None:
        _check_counts("batch_size", batch_size)
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


def _check_counts(what: str, values: object) -> None:
    if not (isinstance(values, list | tuple | range) and values and all(map(_is_count, values))):
        raise UsageError(f"sweep({what}={values!r}): expected a list of whole numbers from 1")


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
