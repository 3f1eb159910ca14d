"""The messages between the parent and a worker process, and how their heads look in bytes."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from pytest_pipeline.executors._processes.recycled import owned
from pytest_pipeline.executors._processes.slots import Lease

HEADER = struct.Struct("=BBBxIqqqqIQ")
"""Kind, slot, body in slot, buffers, item, three stamps, items, length of the body."""

SIZE_BYTES = 8
"""One length behind the header per buffer."""

NO_SLOT = 255


class Kind(IntEnum):
    """What a message says."""

    INIT = 0
    """Parent: the stages."""
    READY = 1
    """Worker: loaded, or ready for the run."""
    BEGIN = 2
    """Parent: a run begins."""
    ITEM = 3
    """Parent: an item to run through the stages. Stamps: pickling began, ended, sending began."""
    RESULT = 4
    """Worker: the output of an item. Stamps: how long the stages took."""
    ERROR = 5
    """Worker: a stage raised. Stamps: the stage, whether the error may be collected (no exit)."""
    UNSENDABLE = 6
    """Worker: the output of an item cannot be pickled. Stamps: the stage."""
    SKIPPED = 7
    """Worker: the run was cancelled, or ended by an error, before the item was through."""
    END = 8
    """Parent: the run is over. Stamps: when it began and ended."""
    REPORT = 9
    """Worker: visits and ledger of the run."""
    CLOSE = 10
    """Parent: end yourself."""


KINDS = tuple(Kind)
"""By number."""


@dataclass(slots=True)
class Frame:
    """One message."""

    kind: Kind
    item: int = -1
    """Item index, or run number."""
    stamps: tuple[int, int, int] = (0, 0, 0)
    body: bytes | bytearray = b""
    """A pickle."""
    buffers: Sequence[Any] = ()
    """Out-of-band buffers of that pickle, anything with the buffer protocol."""
    count: int = 1
    """Items in it, from `item` on; the pickle of several is a list."""
    lease: Lease | None = None
    """Received: the slot of shared memory in which body or buffers lie, until `release`."""
    slot: int = NO_SLOT
    """To send: the slot in which the buffers have been stored."""
    has_body_in_slot: bool = False
    """The body lies there, too."""

    @property
    def payload_bytes(self) -> int:
        """Size of body and buffers, wherever they lie."""
        if not self.buffers:
            return len(self.body)
        return len(self.body) + sum(memoryview(each).nbytes for each in self.buffers)

    def unprepare(self) -> None:
        """Forget the slot in which it was stored: nothing was sent."""
        self.slot, self.has_body_in_slot = NO_SLOT, False

    def contents(self, *, is_view: bool = False) -> tuple[Any, Sequence[Any]]:
        """Return body and buffers, which are copied out of shared memory unless `is_view`."""
        if self.lease is None:
            return self.body, self.buffers
        if is_view and self.buffers:
            self.buffers, self.lease = self.lease.lend(self.buffers), None
            return self.body, self.buffers
        return self.body, [owned(buffer) for buffer in self.buffers]

    def release(self) -> None:
        """Drop what was received, and give its slot back."""
        self.body, self.buffers = b"", ()
        if self.lease is not None:
            self.lease.end()
            self.lease = None


def header(frame: Frame, num_buffers: int) -> bytes:
    """Return the head of the message."""
    return HEADER.pack(
        frame.kind,
        frame.slot,
        frame.has_body_in_slot,
        num_buffers,
        frame.item,
        *frame.stamps,
        frame.count,
        len(frame.body),
    )


def frame_bytes(frame: Frame) -> int:
    """Return what the message takes on the socket, as it is prepared."""
    size = HEADER.size + (0 if frame.has_body_in_slot else len(frame.body))
    if frame.buffers:
        size += SIZE_BYTES * len(frame.buffers)
        if frame.slot == NO_SLOT:
            size += sum(memoryview(each).nbytes for each in frame.buffers)
    return size
