"""What wakes the parent's loop: new items, answers, dead workers."""

from __future__ import annotations

import select
import socket
import sys
from collections import deque
from collections.abc import Hashable, Mapping
from multiprocessing.connection import wait as wait_for
from typing import TYPE_CHECKING, Any

from pytest_pipeline.executors._hops import STOP

if TYPE_CHECKING:
    from pytest_pipeline.executors._hops import Message


class Backlog:
    """Items on their way from the source's thread to the parent's loop."""

    def __init__(self, wake: socket.socket) -> None:
        self._messages: deque[Message] = deque()
        self._wake = wake

    def put(self, message: Message) -> None:
        """Append the message, and wake the loop if it could be waiting for it.

        Where the new message is not alone, the loop has yet to take the one before it, and takes
        all it has room for before it waits. The end of the run must not wait for room: it always
        wakes the loop, which looks whether the run has failed before it sends anything.
        """
        self._messages.append(message)
        if len(self._messages) != 1 and message is not STOP:
            return
        try:
            self._wake.send(b"x")
        except OSError:  # full: it will wake anyway; closed: nobody listens any more
            return

    def take(self) -> Message | None:
        """Return the oldest message, None when there is none."""
        try:
            return self._messages.popleft()
        except IndexError:
            return None

    def take_many(self, limit: int) -> tuple[int, list[Any], int]:  # noqa: ARG002 - a protocol's
        """Return nothing: each message here has a stamp of its own."""
        return 0, [], 0


class Waiter:
    """Waits for any of a fixed set of readable things, without building it anew for every wait."""

    def __init__(self, watched: Mapping[Any, Hashable]) -> None:
        self._watched = watched
        self._poll = None
        if sys.platform != "win32" and hasattr(select, "poll"):
            self._poll = select.poll()
            self._keys = {_descriptor(thing): key for thing, key in watched.items()}
            for descriptor in self._keys:
                self._poll.register(descriptor, select.POLLIN)

    def wait(self, timeout_s: float) -> list[Hashable]:
        """Return the keys of what is readable, or has hung up."""
        if self._poll is not None:
            return [
                self._keys[descriptor]
                for descriptor, _ in self._poll.poll(max(0.0, timeout_s) * 1000)
            ]
        return [self._watched[thing] for thing in wait_for(list(self._watched), timeout_s)]


def _descriptor(thing: Any) -> int:
    return thing if isinstance(thing, int) else int(thing.fileno())
