"""Framed messages over a socket pair between the parent and one worker process."""

from __future__ import annotations

import socket
import struct
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from pytest_pipeline.executors._recycled import owned
from pytest_pipeline.executors._slots import (
    SMALLEST_BYTES,
    Lease,
    SlotReader,
    SlotWriter,
)

_HEADER = struct.Struct("=BBBxIqqqqIQ")
_HEADER_BYTES = _HEADER.size
_SIZE_BYTES = 8
_BUFFER_BYTES = 1 << 20
_AHEAD_BYTES = 64 * 1024
"""Read at once: header, body and often the messages behind them, in one system call."""

_NO_SLOT = 255
_JOIN_BYTES = 16 * 1024
"""A copy of so much is cheaper than the bookkeeping of a gathered write."""

_MAX_PIECES = 512
"""Buffers per system call; the kernel takes at most 1024."""


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
    """Worker: a stage raised. `tag` is the stage."""
    UNSENDABLE = 6
    """Worker: the output of an item cannot be pickled. `tag` is the stage."""
    SKIPPED = 7
    """Worker: the run was cancelled before the item began."""
    END = 8
    """Parent: the run is over. Stamps: when it began and ended."""
    REPORT = 9
    """Worker: visits and ledger of the run."""
    CLOSE = 10
    """Parent: end yourself."""


_KINDS = tuple(Kind)


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
    slot: int = _NO_SLOT
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
        self.slot, self.has_body_in_slot = _NO_SLOT, False

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


class Channel:
    """One end of the pair. Blocking; used by one thread.

    Large messages travel through shared memory while both ends use it and a slot is free.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._writer: SlotWriter | None = None
        self._reader: SlotReader | None = None
        self._ahead = memoryview(bytearray(_AHEAD_BYTES))
        self._at = self._end = 0
        self._posted: list[bytes] = []

    def use_slots(self, writer: SlotWriter | None, reader: SlotReader | None) -> None:
        """Send large messages through shared memory from now on; not any more with None."""
        self._writer, self._reader = writer, reader

    def fileno(self) -> int:
        """Return the descriptor, for waiting."""
        return self.sock.fileno()

    @property
    def has_message(self) -> bool:
        """True when a message, or the beginning of one, was read already: do not wait for it."""
        return self._end > self._at

    @property
    def has_slots(self) -> bool:
        """True when it can receive through shared memory."""
        return self._reader is not None

    @property
    def trouble(self) -> str:
        """Why shared memory could not be had, if it was tried."""
        return "" if self._writer is None else self._writer.trouble

    def prepare(self, frame: Frame) -> int:
        """Store a large message in a slot, if one is free. Return the bytes that the socket gets.

        It may be sent through this channel only, until `unprepare`.
        """
        size = frame_bytes(frame)
        if size < SMALLEST_BYTES or self._writer is None or frame.slot != _NO_SLOT:
            return size
        pieces = [memoryview(buffer).cast("B") for buffer in frame.buffers]
        has_body_in_slot = len(frame.body) >= SMALLEST_BYTES
        if has_body_in_slot:
            pieces.append(memoryview(frame.body))
        slot = self._writer.store(pieces)
        if slot is None:
            return size
        frame.slot, frame.has_body_in_slot = slot, has_body_in_slot
        return frame_bytes(frame)

    def post(self, frame: Frame) -> None:
        """Write the message with the next `flush`; a large one at once."""
        body = frame.body
        if not frame.buffers and frame.slot == _NO_SLOT and len(body) <= _JOIN_BYTES:
            self._posted.append(_header(frame, 0) + body)
        else:
            self.flush()
            self._send_large(frame)

    def flush(self) -> None:
        """Write what was posted, in one system call: it wakes the other side once."""
        if self._posted:
            joined = b"".join(self._posted)
            self._posted.clear()
            self.sock.sendall(joined)

    def send(self, frame: Frame) -> None:
        """Write the whole message."""
        self.post(frame)
        self.flush()

    def _send_large(self, frame: Frame) -> None:
        views = [memoryview(buffer).cast("B") for buffer in frame.buffers]
        sizes = array("Q", [view.nbytes for view in views])
        pieces = [memoryview(_header(frame, len(views)) + sizes.tobytes())]
        if frame.slot == _NO_SLOT:
            self._send_pieces([*pieces, memoryview(frame.body), *views])
            return
        if not frame.has_body_in_slot:
            pieces.append(memoryview(frame.body))
        assert self._writer is not None
        self._writer.hand_over(frame.slot)
        self._send_pieces(pieces)

    def receive_all(self) -> list[Frame]:
        """Read one message, and those that arrived with it."""
        frames = [self.receive()]
        while self.has_message:
            frames.append(self.receive())
        return frames

    def receive(self) -> Frame:
        """Read one whole message; `EOFError` when the other end is gone."""
        while self._end - self._at < _HEADER_BYTES:
            self._read_ahead()
        kind, slot, has_body_in_slot, num_buffers, item, first, second, third, count, length = (
            _HEADER.unpack_from(self._ahead, self._at)
        )
        self._at += _HEADER_BYTES
        frame = Frame(_KINDS[kind], item, (first, second, third), count=count)
        if not num_buffers and slot == _NO_SLOT:
            frame.body = self._read(length)
            return frame
        sizes = array("Q", bytes(self._read(num_buffers * _SIZE_BYTES)))
        if slot == _NO_SLOT:
            frame.body = self._read(length)
            frame.buffers = [self._read(size) for size in sizes]
            return frame
        if has_body_in_slot:
            sizes.append(length)
        else:
            frame.body = self._read(length)
        assert self._reader is not None
        frame.lease = self._reader.lease(slot, sizes)
        frame.buffers = frame.lease.pieces
        if has_body_in_slot:
            frame.body = frame.lease.pieces.pop()
        return frame

    def close(self) -> None:
        """Close this end."""
        self.sock.close()

    def _send_pieces(self, pieces: list[memoryview]) -> None:
        pieces = [piece for piece in pieces if piece.nbytes]
        if not hasattr(self.sock, "sendmsg"):  # Windows
            for piece in pieces:
                self.sock.sendall(piece)
            return
        while pieces:
            sent = self.sock.sendmsg(pieces[:_MAX_PIECES])
            while pieces and sent >= pieces[0].nbytes:
                sent -= pieces.pop(0).nbytes
            if sent:
                pieces[0] = pieces[0][sent:]

    def _read_ahead(self) -> None:
        if self._at:
            rest = self._end - self._at
            self._ahead[:rest] = bytes(self._ahead[self._at : self._end])
            self._at, self._end = 0, rest
        got = self.sock.recv_into(self._ahead[self._end :])
        if not got:
            raise EOFError("the other end of the channel is closed")
        self._end += got

    def _read(self, size: int) -> bytearray:
        # Writable, unlike bytes: an array rebuilt over it may be changed in place by a stage.
        at, end = self._at, self._at + size
        if end <= self._end:
            self._at = end
            return bytearray(self._ahead[at:end])
        buffer = bytearray(size)
        there = self._end - at
        buffer[:there] = self._ahead[at : self._end]
        self._at = self._end
        self._fill(memoryview(buffer)[there:])
        return buffer

    def _fill(self, view: memoryview) -> None:
        while view.nbytes:
            got = self.sock.recv_into(view)
            if not got:
                raise EOFError("the other end of the channel is closed")
            view = view[got:]


def _header(frame: Frame, num_buffers: int) -> bytes:
    return _HEADER.pack(
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
    size = _HEADER_BYTES + (0 if frame.has_body_in_slot else len(frame.body))
    if frame.buffers:
        size += _SIZE_BYTES * len(frame.buffers)
        if frame.slot == _NO_SLOT:
            size += sum(memoryview(each).nbytes for each in frame.buffers)
    return size


def socket_pair() -> tuple[socket.socket, socket.socket]:
    """Return the parent's socket and the worker's."""
    ours, theirs = socket.socketpair()
    for sock in (ours, theirs):
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, _BUFFER_BYTES)
    return ours, theirs


def prefetch_limit(channel: Channel) -> int:
    """Return how many bytes the window of a worker that is not waiting may hold.

    A worker that has an item in hand has read all of it, so the buffer towards it holds at most
    the rest of its window. What fits into a fraction of that buffer (which also holds the
    kernel's own records) never blocks the parent, so parent and worker cannot both be writing
    into full buffers and wait for each other. A larger item is sent only to a worker that has
    none, and which therefore reads.
    """
    return min(32 * 1024, channel.sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) // 8)
