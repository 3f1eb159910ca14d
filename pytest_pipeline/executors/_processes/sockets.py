"""The sockets under the channels: how much they hold, and how long the kernel lets anybody wait at them."""

from __future__ import annotations

import socket
import struct
import sys

_BUFFER_BYTES = 1 << 20

_MOMENT = struct.pack("@ll", 0, 500_000)
"""Seconds and microseconds."""


def socket_pair() -> tuple[socket.socket, socket.socket]:
    """Return the parent's socket and the worker's."""
    ours, theirs = socket.socketpair()
    for sock in (ours, theirs):
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, _BUFFER_BYTES)
    return ours, theirs


def end_waits(sock: socket.socket) -> None:
    """Let no read or write wait longer than a moment: from then on they raise `BlockingIOError`.

    The kernel keeps the time, so that a message costs no system call more.
    """
    if sys.platform == "win32":  # where no worker is stopped in the middle of a message
        return
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        sock.setsockopt(socket.SOL_SOCKET, option, _MOMENT)


def prefetch_limit(sock: socket.socket) -> int:
    """Return how many bytes the window of a worker that is not waiting may hold.

    A worker that has an item in hand has read all of it, so the buffer towards it holds at most
    the rest of its window. What fits into a fraction of that buffer (which also holds the
    kernel's own records) never blocks the parent, so parent and worker cannot both be writing
    into full buffers and wait for each other. A larger item is sent only to a worker that has
    none, and which therefore reads.
    """
    return min(32 * 1024, sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) // 8)
