"""A measuring test is alone on the machine; ordinary tests share it. Every wait is bounded.

Two entrances, one inside the other:

- the *hall*, held around a whole test: ordinary tests share it, a measuring test is alone in it;
- the *floor*, held alone around each measurement. Normally nobody else is near it. It is for the guest:
  an ordinary test that has waited long for a measuring test that is not measuring. That test may be
  waiting for something the guest's process holds (a file lock in a module fixture): both would wait
  for ever. So the guest comes in over the floor, which it shares, and which is never open to it
  while somebody measures.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from pytest_pipeline.plugin.alone.bytelocks import Bell, ByteLocks
from pytest_pipeline.plugin.alone.entrance import Entrance

HALL, FLOOR = 0, 2
"""First bytes of the two entrances."""


class Patience(NamedTuple):
    """How long to wait, in seconds."""

    gate_s: float = 30.0
    """A closed gate is opened again when a present test needs longer; it stays open as long."""
    alone_s: float = 600.0
    """In all; then a measuring test runs beside the others, and can be met but never missed."""
    guest_s: float = 30.0
    """An ordinary test waits so long for a measuring test that is not measuring."""
    ever_s: float = 3600.0
    """An ordinary test waits so long for anything."""
    shortest_s: float = 0.0005
    """First pause between two looks."""
    longest_s: float = 0.006
    """Last one; pauses double in between."""
    measuring_s: float = 0.02
    """Pause while somebody measures: each look of each worker is a disturbance, a small one."""
    bell_s: float = 0.25
    """Longest pause where a bell ends it: a forked child may keep it from ringing."""


class Pace(NamedTuple):
    """The clock; tests bring their own."""

    now: Callable[[], float] = time.monotonic
    """Seconds."""
    sleep: Callable[[float], object] = time.sleep
    """Pauses."""


class Exclusivity:
    """What one process may do now. Holds at most one place in the hall and one on the floor."""

    def __init__(
        self,
        locks: ByteLocks,
        patience: Patience | None = None,
        pace: Pace | None = None,
        bell: Bell | None = None,
    ) -> None:
        self._locks = locks
        self._bell = bell
        self._hall = Entrance(locks, HALL, bell)
        self._floor = Entrance(locks, FLOOR)
        self._patience = patience or Patience()
        self._pace = pace or Pace()
        self._alone_s = self._patience.alone_s
        self._quiet_s = 0.0  # waited in vain since the hall was last open, while nobody measured
        self._is_alone = False
        self._gave_up = ""

    def share(self) -> None:
        """Begin an ordinary test."""
        if self._hall.share():
            self._quiet_s = 0.0
        else:
            self._wait_to_share()

    def be_alone(self) -> None:
        """Begin a measuring test; after waiting in vain it runs beside the others."""
        self._is_alone = self._enter_alone(self._hall, may_be_measuring=True)
        if self._is_alone:
            return
        self._gave_up = (
            f"other tests ran at the same time: waiting {self._alone_s:.0f} s for them was in vain"
        )
        self._alone_s = self._patience.gate_s  # not ten minutes again for every test
        self.share()

    def leave(self) -> None:
        """End the test, however it began."""
        self._hall.leave()
        self._floor.leave()
        self._is_alone = False
        self._gave_up = ""

    @contextmanager
    def measuring(self) -> Iterator[str]:
        """Measure here; yields why others may run at the same time, or an empty text when none can."""
        if not self._is_alone and not self._gave_up:
            self.leave()  # the fixture was asked for late: never from shared to alone in place
            self.be_alone()
        if self._gave_up:
            yield self._gave_up
            return
        try:
            has_floor = self._enter_alone(self._floor, may_be_measuring=False)
            yield "" if has_floor else "another test waited too long and ran at the same time"
        finally:
            self._floor.leave()

    def close(self) -> None:
        """Give everything back."""
        self._locks.close()
        if self._bell is not None:
            self._bell.close()

    def _wait_to_share(self) -> None:
        waiting = _Waiting(self._pace, self._patience)
        while waiting.seconds < self._patience.ever_s:
            is_measuring = self._floor.is_closed()
            is_guest = self._quiet_s >= self._patience.guest_s
            passed = waiting.pause(None if is_guest else self._hall, is_measuring=is_measuring)
            if self._hall.share():
                self._quiet_s = 0.0
                return
            if is_measuring:
                continue
            self._quiet_s += passed
            if self._quiet_s >= self._patience.guest_s and self._floor.share():
                return  # and its next test comes in at once, until the hall was open again

    def _enter_alone(self, entrance: Entrance, *, may_be_measuring: bool) -> bool:
        """Return whether this process is alone behind `entrance` now."""
        waited_s = 0.0
        while waited_s < self._alone_s:
            waited_s += self._wait_for_gate(entrance, self._alone_s - waited_s, may_be_measuring)
            if not entrance.close_gate():
                break
            waited_s += self._wait_for_room(entrance)
            if entrance.be_alone():
                self._alone_s = self._patience.alone_s
                return True
            entrance.open_gate()
            waited_s += self._stand_back(self._alone_s - waited_s)
        entrance.leave()
        return False

    def _wait_for_gate(self, entrance: Entrance, limit_s: float, may_be_measuring: bool) -> float:
        """Wait for another measuring test; the time it measures does not count, that is a queue."""
        waiting, counted_s = _Waiting(self._pace, self._patience), 0.0
        while not entrance.close_gate() and counted_s < limit_s:
            is_measuring = may_be_measuring and self._floor.is_closed()
            passed = waiting.pause(
                entrance if entrance.is_closed() else None, is_measuring=is_measuring
            )
            counted_s += 0.0 if is_measuring else passed
        return counted_s

    def _wait_for_room(self, entrance: Entrance) -> float:
        waiting = _Waiting(self._pace, self._patience)
        while not entrance.be_alone() and waiting.seconds < self._patience.gate_s:
            waiting.pause()
        return waiting.seconds

    def _stand_back(self, limit_s: float) -> float:
        """Leave the gate open for a while: a ten-minute test must not idle every worker."""
        seconds = max(0.0, min(self._patience.gate_s, limit_s))
        self._pace.sleep(seconds)
        return seconds


class _Waiting:
    """Pauses that double, and how long they took in all."""

    def __init__(self, pace: Pace, patience: Patience) -> None:
        self._pace = pace
        self._began_s = pace.now()
        self._next_s = patience.shortest_s
        self._longest_s = patience.longest_s
        self._measuring_s = patience.measuring_s
        self._bell_s = patience.bell_s
        self.seconds = 0.0

    def pause(self, closed: Entrance | None = None, *, is_measuring: bool = False) -> float:
        """Wait for `closed` to open if that can be heard, else sleep a little, longer each time.

        Returns the seconds that passed since the last return.
        """
        before = self.seconds
        if closed is None or not closed.hear(self._bell_s):
            self._pace.sleep(self._measuring_s if is_measuring else self._next_s)
            self._next_s = min(self._longest_s, self._next_s * 2)
        self.seconds = self._pace.now() - self._began_s
        return self.seconds - before
