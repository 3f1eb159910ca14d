"""How long anybody waits: on a clock of the test's own, without a second of sleeping."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fake_windows import FakeWindows, load

from pytest_pipeline.plugin.alone.lock import Exclusivity, Pace


class Bytes:
    """The lock file, as all the processes of a test see it."""

    def __init__(self) -> None:
        self.alone: dict[int, object] = {}
        self.shared: dict[int, set[object]] = {}

    def of(self, process: str) -> OneProcess:
        return OneProcess(self, process)


class OneProcess:
    """The same file as one process sees it."""

    def __init__(self, file: Bytes, process: str) -> None:
        self._file = file
        self._process = process

    def take(self, byte: int) -> bool:
        others = self._file.shared.get(byte, set()) - {self._process}
        if others or self._file.alone.get(byte, self._process) != self._process:
            return False
        self._file.alone[byte] = self._process
        return True

    def share(self, byte: int) -> bool:
        if self._file.alone.get(byte, self._process) != self._process:
            return False
        self._file.shared.setdefault(byte, set()).add(self._process)
        return True

    def share_behind(self, byte: int) -> bool:
        if not self.share(byte):
            return False
        is_shared = self.share(byte + 1)
        self.free(byte)
        return is_shared

    def free(self, byte: int) -> None:
        self._file.alone.pop(byte, None)
        self._file.shared.get(byte, set()).discard(self._process)

    def close(self) -> None:
        pass


class Clock:
    """Time passes only by sleeping; what is planned happens on the way."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.planned: list[tuple[float, Callable[[], object]]] = []

    def at(self, seconds: float, action: Callable[[], object]) -> None:
        self.planned.append((seconds, action))
        self.planned.sort(key=lambda each: each[0])

    def sleep(self, seconds: float) -> None:
        end = self.now_s + seconds
        while self.planned and self.planned[0][0] <= end:
            due, action = self.planned.pop(0)
            self.now_s = max(self.now_s, due)
            action()
        self.now_s = max(self.now_s, end)

    @property
    def pace(self) -> Pace:
        return Pace(lambda: self.now_s, self.sleep)


class Rope:
    """A bell as all the processes of a test hear it."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.holders: set[object] = set()

    def of(self, process: str) -> OneBell:
        return OneBell(self, process)


class OneBell:
    def __init__(self, rope: Rope, process: str) -> None:
        self._rope = rope
        self._process = process
        self._listens = False

    def hold(self) -> None:
        self._rope.holders.add(self._process)

    def let_go(self) -> None:
        self._rope.holders.discard(self._process)

    def wait(self, seconds: float) -> bool:
        if not self._listens:
            self._listens = True
            return True
        clock = self._rope.clock
        end, had_holders = clock.now_s + seconds, bool(self._rope.holders)
        while clock.planned and clock.planned[0][0] <= end:
            clock.sleep(max(0.0, clock.planned[0][0] - clock.now_s))
            if had_holders and not self._rope.holders:
                return True
        clock.sleep(max(0.0, end - clock.now_s))
        return True

    def close(self) -> None:
        self.let_go()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=["posix", "bell", "windows"])
def process(request, clock):
    """Make a process; each has the lock file open once, with the rules of its system."""
    if request.param == "windows":
        locks = load(FakeWindows()).WindowsLocks
        return lambda name: Exclusivity(locks("lock", print), pace=clock.pace)
    file, rope = Bytes(), Rope(clock)
    if request.param == "bell":
        return lambda name: Exclusivity(file.of(name), pace=clock.pace, bell=rope.of(name))
    return lambda name: Exclusivity(file.of(name), pace=clock.pace)


def company(exclusivity: Exclusivity) -> str:
    with exclusivity.measuring() as why:
        return why


def test_a_measuring_test_waits_for_the_present_ones_and_is_alone(process, clock):
    ordinary, measuring = process("a"), process("b")
    ordinary.share()
    clock.at(3.0, ordinary.leave)
    measuring.be_alone()
    assert 3.0 <= clock.now_s < 3.1
    assert company(measuring) == ""


def test_behind_a_long_test_the_gate_opens_again_after_30_s(process, clock):
    long, other, measuring = process("long"), process("other"), process("m")
    long.share()
    times = []

    def come_in() -> None:
        other.share()
        times.append(clock.now_s)
        other.leave()

    clock.at(40.0, come_in)
    clock.at(200.0, long.leave)
    measuring.be_alone()
    assert times == [40.0]
    assert clock.now_s < 300.0
    assert company(measuring) == ""


def test_after_ten_minutes_it_runs_beside_the_others_and_says_so(process, clock):
    endless, measuring = process("endless"), process("m")
    endless.share()
    measuring.be_alone()
    assert 599.0 <= clock.now_s <= 661.0
    assert company(measuring).startswith("other tests ran at the same time: waiting 600 s")


def test_the_next_measuring_test_does_not_wait_ten_minutes_again(process, clock):
    endless, measuring = process("endless"), process("m")
    endless.share()
    measuring.be_alone()
    measuring.leave()
    before = clock.now_s
    measuring.be_alone()
    assert clock.now_s - before < 61.0
    measuring.leave()
    endless.leave()
    measuring.be_alone()
    assert company(measuring) == ""


def test_waiting_for_another_measurement_is_a_queue_and_does_not_count(process, clock):
    first, second = process("first"), process("second")
    first.be_alone()
    inside = first.measuring()
    inside.__enter__()

    def end() -> None:
        inside.__exit__(None, None, None)
        first.leave()

    clock.at(3000.0, end)
    second.be_alone()
    assert clock.now_s >= 3000.0
    assert company(second) == ""


def test_an_ordinary_test_waits_as_long_as_somebody_measures(process, clock):
    measuring, ordinary = process("m"), process("a")
    measuring.be_alone()
    inside = measuring.measuring()
    inside.__enter__()

    def end() -> None:
        inside.__exit__(None, None, None)
        measuring.leave()

    clock.at(1000.0, end)
    ordinary.share()
    assert 1000.0 <= clock.now_s < 1001.0


def test_a_file_lock_held_across_tests_by_a_waiting_worker_ends_by_itself(process, clock):
    measuring, owner = process("m"), process("owner")
    measuring.be_alone()  # and in its set-up it waits for a lock that `owner` holds across tests
    waits = []
    for _ in range(5):
        before = clock.now_s
        owner.share()
        waits.append(clock.now_s - before)
        owner.leave()
    assert 30.0 <= waits[0] < 31.0
    assert max(waits[1:]) < 0.1  # one long wait, not one for each test
    assert company(measuring) == ""  # and while it measures nobody is a guest
    measuring.leave()
    owner.share()
    owner.leave()


def test_a_guest_is_waited_for_before_measuring(process, clock):
    measuring, guest = process("m"), process("guest")
    measuring.be_alone()
    guest.share()
    before = clock.now_s
    clock.at(before + 5.0, guest.leave)
    assert company(measuring) == ""
    assert 5.0 <= clock.now_s - before < 5.1


def test_a_guest_that_does_not_end_makes_the_measurement_not_exclusive(process, clock):
    measuring, guest = process("m"), process("guest")
    measuring.be_alone()
    guest.share()
    assert "ran at the same time" in company(measuring)


def test_two_measuring_tests_that_wait_for_each_other_end(process, clock):
    first, second = process("first"), process("second")
    first.be_alone()  # its set-up waits for something of `second`
    second.be_alone()
    assert clock.now_s <= 661.0
    assert "ran at the same time" in company(second)


def test_one_that_gave_up_does_not_start_while_another_measures(process, clock):
    first, second = process("first"), process("second")
    first.be_alone()  # a set-up of more than ten minutes
    inside = first.measuring()

    def end() -> None:
        inside.__exit__(None, None, None)
        first.leave()

    clock.at(599.99, inside.__enter__)
    clock.at(900.0, end)
    second.be_alone()
    assert clock.now_s >= 900.0


def test_asked_for_late_the_fixture_still_measures_alone(process, clock):
    late, other = process("late"), process("other")
    late.share()
    other.share()
    clock.at(2.0, other.leave)
    assert company(late) == ""
    assert 2.0 <= clock.now_s < 2.1
    late.leave()
    other.share()
    assert clock.now_s < 2.1


def test_two_that_ask_late_at_the_same_time_do_not_block_each_other(process, clock):
    one, other = process("one"), process("other")
    one.share()
    other.share()
    clock.at(1.0, other.leave)
    assert company(one) == ""
    one.leave()
    other.share()
    assert company(other) == ""
    assert clock.now_s < 1.1


def test_who_hears_the_bell_does_not_look_again_and_again_while_somebody_measures(clock):
    file, rope = Bytes(), Rope(clock)
    looks = []

    class Watched(OneProcess):
        def share_behind(self, byte: int) -> bool:
            looks.append(clock.now_s)
            return super().share_behind(byte)

    measuring = Exclusivity(file.of("m"), pace=clock.pace, bell=rope.of("m"))
    ordinary = Exclusivity(Watched(file, "a"), pace=clock.pace, bell=rope.of("a"))
    measuring.be_alone()
    clock.at(10.1, measuring.leave)
    ordinary.share()
    assert clock.now_s == 10.1  # not at its next look
    assert len(looks) < 50  # 500 without the bell
