"""A stage that returns the same memory for two items: refused, since the one may be overwritten while it is copied out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any

from pytest_pipeline.errors import UsageError

if TYPE_CHECKING:
    from pytest_pipeline.executors._device.slots import Use

_OWN_MEMORY = (
    "the result of an item lies in memory that the result of an earlier item lies in too, which is still being"
    " copied to the host; likely cause: a buffer of the stage's own, a constant, or"
    ' torch.compile(mode="reduce-overhead"); next: return a copy (.clone()) of it, and no constants'
)


class Results:
    """Where the results of the last items lie. For the feeder's thread.

    Exact: a use keeps its results until it is drained, so that no allocator can have given their
    memory to a later one.
    """

    def __init__(self, address: Callable[[Any], Hashable | None], slots: int) -> None:
        self._address = address
        self._latest: deque[Use] = deque(maxlen=slots - 1)

    def add(self, use: Use, results: Sequence[Sequence[Any]]) -> None:
        """Note the results of each item of a group; raises `UsageError` for one that lies where another does."""
        lent = {self._address(each) for each in use.entered}
        for tensors in results:
            mine = {self._address(each) for each in tensors} - lent - {None}
            for other in (use, *self._latest):
                if not other.is_drained and other.addresses & mine:
                    raise UsageError(_OWN_MEMORY)
            use.addresses |= mine
        self._latest.append(use)
