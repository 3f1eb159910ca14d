"""Framed messages over a socket pair between the parent and one worker process."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

_HEADER = struct.Struct("=BxxxIqqqqQ")
_SIZE = struct.Struct("=Q")
_BUFFER_BYTES = 1 << 20
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
    """Worker: the output of an item."""
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


class Channel:
    """One end of the pair. Blocking; used by one thread."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._header = bytearray(_HEADER.size)

    def fileno(self) -> int:
        """Return the descriptor, for waiting."""
        return self.sock.fileno()

    def send(self, frame: Frame) -> None:
        """Write the whole message."""
        if not frame.buffers:
            header = _HEADER.pack(frame.kind, 0, frame.item, *frame.stamps, len(frame.body))
            if len(frame.body) <= _JOIN_BYTES:
                self.sock.sendall(header + frame.body)
                return
        views = [memoryview(buffer).cast("B") for buffer in frame.buffers]
        header = _HEADER.pack(frame.kind, len(views), frame.item, *frame.stamps, len(frame.body))
        sizes = b"".join(_SIZE.pack(view.nbytes) for view in views)
        self._send_pieces([memoryview(header + sizes), memoryview(frame.body), *views])

    def receive(self) -> Frame:
        """Read one whole message; `EOFError` when the other end is gone."""
        self._fill(memoryview(self._header))
        kind, count, item, first, second, third, length = _HEADER.unpack(self._header)
        sizes = [_SIZE.unpack(self._read(_SIZE.size))[0] for _ in range(count)]
        body = self._read(length)
        return Frame(
            Kind(kind), item, (first, second, third), body, [self._read(size) for size in sizes]
        )

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

    def _read(self, size: int) -> bytearray:
        # Writable, unlike bytes: an array rebuilt over it may be changed in place by a stage.
        buffer = bytearray(size)
        self._fill(memoryview(buffer))
        return buffer

    def _fill(self, view: memoryview) -> None:
        while view.nbytes:
            got = self.sock.recv_into(view)
            if not got:
                raise EOFError("the other end of the channel is closed")
            view = view[got:]


def channel_pair() -> tuple[Channel, socket.socket]:
    """Return the parent's channel and the socket for the worker."""
    ours, theirs = socket.socketpair()
    for sock in (ours, theirs):
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, _BUFFER_BYTES)
    return Channel(ours), theirs


def prefetch_limit(channel: Channel) -> int:
    """Return how many bytes the window of a worker that is not waiting may hold.

    A worker that has an item in hand has read all of it, so the buffer towards it holds at most
    the rest of its window. What fits into a fraction of that buffer (which also holds the
    kernel's own records) never blocks the parent, so parent and worker cannot both be writing
    into full buffers and wait for each other. A larger item is sent only to a worker that has
    none, and which therefore reads.
    """
    return min(32 * 1024, channel.sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) // 8)
