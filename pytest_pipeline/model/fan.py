"""One item to several stages, joined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_pipeline.errors import UsageError
from pytest_pipeline.model.plan import ON_HOST, Stage


@dataclass(frozen=True, slots=True, init=False)
class Fan:
    """Give the same item to every branch and join what they return: `join(first, second, ...)`.

    A branch is a function or a `Stage`, which may name its device: shards of a model on several
    devices. Under `cuda` branches on different devices run at the same time. Under `serial`,
    `threads` and `processes` the branches run one after the other, in the worker of this stage.
    Branches must not modify the item.

    Raises `UsageError` for fewer than two branches, for a branch with workers of its own (the fan's
    stage has them), for one on the host, or for a `join` that is not callable.
    """

    branches: tuple[Stage, ...]
    """In the order in which `join` takes their results."""
    join: Callable[..., Any]
    """Takes one result per branch."""

    def __init__(
        self, branches: Sequence[Stage | Callable[[Any], Any]], *, join: Callable[..., Any]
    ) -> None:
        made = tuple(each if isinstance(each, Stage) else Stage(each) for each in branches)
        if len(made) < 2:
            raise UsageError(
                f"Fan needs at least two branches, found {len(made)}: use the stage itself"
            )
        for branch in made:
            if branch.workers != 1:
                raise UsageError(
                    f"Fan: branch {branch.label!r} has workers={branch.workers}: write Stage(Fan(...), workers={branch.workers})"
                )
            if branch.device == ON_HOST:
                raise UsageError(
                    f'Fan: branch {branch.label!r} has device="cpu": a fan is on devices as a whole, or not: write Stage(Fan(...), device="cpu")'
                )
        if not callable(join):
            raise UsageError(f"Fan: join must be callable, found {type(join).__name__}")
        object.__setattr__(self, "branches", made)
        object.__setattr__(self, "join", join)

    @property
    def __name__(self) -> str:
        return f"fan({', '.join(branch.label for branch in self.branches)})"

    def __call__(self, item: Any) -> Any:
        """Run the branches one after the other and join their results."""
        # A list: out of a generator the StopIteration of a branch would come as a RuntimeError.
        return self.join(*[branch.fn(item) for branch in self.branches])
