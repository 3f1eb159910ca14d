"""Large buffers between two processes: recycled slots of shared memory instead of the socket.

Measured for 8 MB arrays: a fresh segment per item 1.2 GB/s, the socket into a recycled buffer 5.7,
recycled slots 8.9 copied out and 12.9 as a view (memcpy 33). What costs is the first touch of fresh
pages, so a slot keeps its pages and is used again as soon as the other side has let go of it.

One flag per slot says who owns it: the sender sets it, the receiver clears it. Each is a single
store of eight bytes, and a whole copy lies between a slot's last use and the store.
"""

from __future__ import annotations

import contextlib
import mmap
import sys
import weakref
from collections.abc import Sequence
from typing import Any

from pytest_pipeline.executors._processes.sharedfile import SharedFile

SMALLEST_BYTES = 64 * 1024
"""Messages with less than this go through the socket: two copies of so little cost less than a slot's bookkeeping."""

SLOTS = 20
"""Per direction: for the nine messages of a full window, and as many whose answers are being read."""

_SPAN = 1 << 27
"""Address room of a slot. The file is sparse: what was never written takes no memory."""

_BUDGET = 1 << 28
"""Bytes that all the slots of one direction may take together. A larger message uses the socket."""

_HEAD = mmap.ALLOCATIONGRANULARITY
_ALIGNMENT = 64
_GRAIN = 64 * 1024

_FILE_BYTES = _HEAD + 2 * SLOTS * _SPAN

_FREE, _TAKEN = 0, 1

IS_SUPPORTED = sys.platform != "win32" and sys.maxsize > 1 << 32
"""Whether this system has nameless shared memory and addresses to spare."""


class Room:
    """One side's mapping of the slots, of both directions, between the parent and one worker."""

    def __init__(self, file: SharedFile) -> None:
        self.file = file
        self.map = file.map(0, _FILE_BYTES)
        self.whole = memoryview(self.map)
        self.flags = self.whole[:_HEAD].cast("q")

    @classmethod
    def create(cls) -> Room:
        """Make the slots of one worker; `OSError` when memory, addresses or descriptors have run out."""
        file = SharedFile.create(_FILE_BYTES)
        try:
            return cls(file)
        except BaseException:
            file.close()
            raise

    def close(self) -> None:
        """Let go of it. Views that were lent keep the memory until they are gone."""
        self.flags.release()
        with contextlib.suppress(BufferError):
            self.whole.release()
            self.map.close()
        self.file.close()


class SlotWriter:
    """The sending end of one direction."""

    def __init__(self, room: Room, first: int) -> None:
        self.trouble = ""
        """Why a slot could not be had the last time it was tried."""
        self._room = room
        self._first = first
        self._capacities = [0] * SLOTS

    def store(self, pieces: Sequence[memoryview]) -> int | None:
        """Copy the pieces into a free slot and return its number; None when there is no room."""
        found = self._find(sum(_aligned(piece.nbytes) for piece in pieces))
        if found is None:
            return None
        at = _offset(self._first + found)
        for piece in pieces:
            self._room.whole[at : at + piece.nbytes] = piece
            at += _aligned(piece.nbytes)
        return self._first + found

    def hand_over(self, slot: int) -> None:
        """Give the slot to the other side. Before the message that names it is sent."""
        self._room.flags[slot] = _TAKEN

    def _find(self, size: int) -> int | None:
        """Return a free slot that holds `size` bytes: one that did before, or one that grows."""
        free = [k for k in range(SLOTS) if self._room.flags[self._first + k] == _FREE]
        for k in free:
            if self._capacities[k] >= size:
                return k
        return next((k for k in free if self._grow(k, size)), None)

    def _grow(self, k: int, size: int) -> bool:
        grain = max(_GRAIN, 1 << max(0, size.bit_length() - 4))
        capacity = -(-size // grain) * grain
        if capacity > _SPAN or sum(self._capacities) - self._capacities[k] + capacity > _BUDGET:
            return False
        try:
            self._room.file.reserve(_offset(self._first + k), capacity)
        except OSError as error:
            self.trouble = f"{type(error).__name__}: {error}"
            return False
        self._capacities[k] = capacity
        return True


class SlotReader:
    """The receiving end of one direction."""

    def __init__(self, room: Room) -> None:
        self._room = room

    def lease(self, slot: int, sizes: Sequence[int]) -> Lease:
        """Return the pieces in the slot, which is the caller's until the lease ends."""
        return Lease(self._room, slot, sizes)


class Lease:
    """The pieces of one message, in memory that the sender may not touch until `end`."""

    __slots__ = ("_flags", "_slot", "pieces")

    def __init__(self, room: Room, slot: int, sizes: Sequence[int]) -> None:
        self.pieces: list[Any] = []
        self._flags = room.flags
        self._slot = slot
        at = _offset(slot)
        for size in sizes:
            self.pieces.append(room.whole[at : at + size])
            at += _aligned(size)

    def end(self) -> None:
        """Give the slot back. The pieces must not be used any more."""
        self.pieces.clear()
        with contextlib.suppress(ValueError):  # the room was closed meanwhile: its worker is gone
            self._flags[self._slot] = _FREE

    def lend(self, pieces: Sequence[Any]) -> list[Any]:
        """Return these pieces as views; the slot goes back when the last array over them is gone."""
        import numpy as np

        # A ticket each, because arrays go away in any thread: of two at a time one takes the last.
        tickets = list(range(len(pieces)))

        def returned() -> None:
            if tickets.pop() == 0:
                with contextlib.suppress(ValueError):  # the room was closed meanwhile
                    self._flags[self._slot] = _FREE

        lent = []
        for piece in pieces:
            # An array can be watched by a weak reference, which neither mmap nor memoryview can.
            base = np.frombuffer(piece, dtype=np.uint8)
            weakref.finalize(base, returned).atexit = False
            lent.append(base.data)
        return lent


def _offset(slot: int) -> int:
    return _HEAD + slot * _SPAN


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT
