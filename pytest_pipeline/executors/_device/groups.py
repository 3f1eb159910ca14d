"""Small items that travel together: one staged buffer and one copy for several of equal type and shape.

A copy of 100 kB takes about as long to submit as to make. So items that already wait are put
together until a group is full, another shape comes, or nothing else is there: no item waits for one
that has not come, and what may be in flight bounds a group too. The stages still get one item at a
time, and the results are copied out one by one: to gather them would cost a launch for each copy saved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_pipeline.executors._device.tree import leaves

if TYPE_CHECKING:
    from pytest_pipeline.executors._device.backend import Backend
    from pytest_pipeline.executors._hops import Message

Kind = tuple[Any, ...]


class Groups:
    """Collects messages into groups of `batch_bytes` at most; each alone where that is 0. For one thread."""

    def __init__(self, backend: Backend, batch_bytes: int) -> None:
        self._backend = backend
        self._batch_bytes = batch_bytes
        self._waiting: list[Message] = []
        self._kind: Kind = ()
        self._nbytes = 0

    def add(self, message: Message) -> list[list[Message]]:
        """Take a message; return the groups that are complete with it, in order."""
        kind, nbytes = self._measured(message[1]) if self._batch_bytes else ((), 0)
        if not nbytes or 2 * nbytes > self._batch_bytes:
            return [group for group in (self.take(), [message]) if group]
        done = []
        if self._waiting and kind != self._kind:
            done.append(self.take())
        self._waiting.append(message)
        self._kind = kind
        self._nbytes += nbytes
        if self._nbytes + nbytes > self._batch_bytes:
            done.append(self.take())
        return done

    def take(self) -> list[Message]:
        """Return what waits, as it is; the next group begins anew."""
        group, self._waiting, self._nbytes = self._waiting, [], 0
        return group

    def _measured(self, value: Any) -> tuple[Kind, int]:
        """Return types and shapes, and bytes to copy; 0 bytes for what does not come from the host alone."""
        backend = self._backend
        tensors = leaves(value, backend.is_tensor)
        if any(backend.is_on_device(each) for each in tensors):
            return (), 0
        specs = [backend.spec(backend.adopt(each)) for each in tensors]
        kinds = tuple((type(each), kind) for each, (kind, _) in zip(tensors, specs, strict=True))
        return kinds, sum(nbytes for _, nbytes in specs)


def shared(began: int, ended: int, place: int, count: int) -> tuple[int, int]:
    """Return the share of the time that falls to the item at `place` of `count`."""
    span = ended - began
    return began + span * place // count, began + span * (place + 1) // count
