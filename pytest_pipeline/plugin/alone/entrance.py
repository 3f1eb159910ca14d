"""One entrance to one room: many may be inside together, or one alone. Two bytes of a lock file.

Who comes in takes the gate for a moment, then the room together with the others; who wants to be alone
closes the gate, so that nobody new comes in, and waits until the room is empty. Nobody waits for the
room while holding the gate together with others, so there is no cycle; and a crowd cannot starve the one.
"""

from __future__ import annotations

from pytest_pipeline.plugin.alone.bytelocks import Bell, ByteLocks


class Entrance:
    """Asks only; whoever uses it does the waiting, and `hear` is told when it is worth asking again."""

    def __init__(self, locks: ByteLocks, first_byte: int, bell: Bell | None = None) -> None:
        self._locks = locks
        self._bell = bell
        self._gate = first_byte
        self._room = first_byte + 1
        self._has_gate = False
        self._has_room = False

    def share(self) -> bool:
        """Come in together with others; False while the gate is closed."""
        self._has_room = self._locks.share_behind(self._gate)
        return self._has_room

    def close_gate(self) -> bool:
        """Let nobody in any more; False while somebody else has it closed."""
        if not self._has_gate:
            self._has_gate = self._locks.take(self._gate)
            if self._has_gate and self._bell is not None:
                self._bell.hold()
        return self._has_gate

    def open_gate(self) -> None:
        """Let the others in again."""
        if self._has_gate:
            self._has_gate = False
            self._locks.free(self._gate)
            if self._bell is not None:
                self._bell.let_go()

    def be_alone(self) -> bool:
        """Take the room behind the closed gate; False while others are inside."""
        if not self._has_room:
            self._has_room = self._locks.take(self._room)
        return self._has_room

    def is_closed(self) -> bool:
        """Whether somebody else keeps the gate closed."""
        if not self._locks.share(self._gate):
            return True
        self._locks.free(self._gate)
        return False

    def hear(self, seconds: float) -> bool:
        """Wait until the closed gate opens, for `seconds` at most; False at once when that is not told."""
        return self._bell is not None and self._bell.wait(seconds)

    def leave(self) -> None:
        """Give back whatever is held; harmless when nothing is."""
        if self._has_room:
            self._has_room = False
            self._locks.free(self._room)
        self.open_gate()
