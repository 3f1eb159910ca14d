"""Framed messages over a socket pair between the parent and one worker process."""

from __future__ import annotations

import socket
from array import array
from collections.abc import Callable
from time import monotonic
from typing import Any

from pytest_pipeline.executors._processes.frames import (
    HEADER,
    KINDS,
    NO_SLOT,
    SIZE_BYTES,
    Frame,
    frame_bytes,
    header,
)
from pytest_pipeline.executors._processes.slots import SMALLEST_BYTES, SlotReader, SlotWriter
from pytest_pipeline.executors._processes.sockets import end_waits

_AHEAD_BYTES = 64 * 1024
"""Read at once: header, body and often the messages behind them, in one system call."""

_JOIN_BYTES = 16 * 1024
"""A copy of so much is cheaper than the bookkeeping of a gathered write."""

_BESIDE_BYTES = 2 * 1024
"""A longer pickle lies in the slot of its buffers. Nine that go through the socket beside theirs fit into the window of
a worker (`prefetch_limit`): a message that does not is stored, taken back, and stored again when there is room."""

_MAX_PIECES = 512
"""Buffers per system call; the kernel takes at most 1024."""


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
        self._deadline = 0.0

    def limit(self, seconds: float) -> None:
        """Let no read or write wait much beyond so many seconds from now: it raises `BlockingIOError`.

        A worker that is stopped in the middle of a message (SIGSTOP, a debugger, a paused
        container) closes nothing.
        """
        self._deadline = monotonic() + seconds
        end_waits(self.sock)

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
        if size < SMALLEST_BYTES or self._writer is None or frame.slot != NO_SLOT:
            return size
        pieces = [memoryview(buffer).cast("B") for buffer in frame.buffers]
        has_body_in_slot = len(frame.body) > _BESIDE_BYTES
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
        if not frame.buffers and frame.slot == NO_SLOT and len(body) <= _JOIN_BYTES:
            self._posted.append(header(frame, 0) + body)
        else:
            self.flush()
            self._send_large(frame)

    def flush(self) -> None:
        """Write what was posted, in one system call: it wakes the other side once."""
        if self._posted:
            joined = b"".join(self._posted)
            self._posted.clear()
            sent = self._moved(self.sock.send, joined)
            if sent < len(joined):
                self._send_pieces([memoryview(joined)[sent:]])

    def send(self, frame: Frame) -> None:
        """Write the whole message."""
        self.post(frame)
        self.flush()

    def _send_large(self, frame: Frame) -> None:
        views = [memoryview(buffer).cast("B") for buffer in frame.buffers]
        sizes = array("Q", [view.nbytes for view in views])
        pieces = [memoryview(header(frame, len(views)) + sizes.tobytes())]
        if frame.slot == NO_SLOT:
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
        while self._end - self._at < HEADER.size:
            self._read_ahead()
        kind, slot, has_body_in_slot, num_buffers, item, first, second, third, count, length = (
            HEADER.unpack_from(self._ahead, self._at)
        )
        self._at += HEADER.size
        frame = Frame(KINDS[kind], item, (first, second, third), count=count)
        if not num_buffers and slot == NO_SLOT:
            frame.body = self._read(length)
            return frame
        sizes = array("Q", bytes(self._read(num_buffers * SIZE_BYTES)))
        if slot == NO_SLOT:
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

    def _moved(self, call: Callable[[Any], int], what: Any) -> int:
        """Return how many bytes `call` moves, tried again and again until the limit."""
        while True:
            try:
                return call(what)
            except BlockingIOError:
                if monotonic() >= self._deadline:
                    raise

    def _send_pieces(self, pieces: list[memoryview]) -> None:
        pieces = [piece for piece in pieces if piece.nbytes]
        if not hasattr(self.sock, "sendmsg"):  # Windows
            for piece in pieces:
                self.sock.sendall(piece)
            return
        while pieces:
            sent = self._moved(self.sock.sendmsg, pieces[:_MAX_PIECES])
            while pieces and sent >= pieces[0].nbytes:
                sent -= pieces.pop(0).nbytes
            if sent:
                pieces[0] = pieces[0][sent:]

    def _read_ahead(self) -> None:
        if self._at:
            rest = self._end - self._at
            self._ahead[:rest] = bytes(self._ahead[self._at : self._end])
            self._at, self._end = 0, rest
        got = self._moved(self.sock.recv_into, self._ahead[self._end :])
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
            got = self._moved(self.sock.recv_into, view)
            if not got:
                raise EOFError("the other end of the channel is closed")
            view = view[got:]
