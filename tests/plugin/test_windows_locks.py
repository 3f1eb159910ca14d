"""The logic of the Windows locks on a Windows that is played; the real one has not run them yet."""

from __future__ import annotations

import pytest
from fake_windows import FakeWindows, load

GATE, ROOM = 0, 1


@pytest.fixture
def windows():
    return FakeWindows()


@pytest.fixture
def opened(windows):
    module, closed = load(windows), []
    make = lambda path="lock": module.WindowsLocks(path, closed.append)
    make.closed = closed
    return make


def test_one_alone_keeps_everybody_out_until_it_gives_the_byte_back(opened):
    one, other = opened(), opened()
    assert one.take(GATE)
    assert not other.take(GATE)
    assert not other.share(GATE)
    one.free(GATE)
    assert other.take(GATE)


def test_many_share_and_nobody_is_alone_before_the_last_has_left(opened):
    one, other, third = opened(), opened(), opened()
    assert one.share(ROOM)
    assert other.share(ROOM)
    assert not third.take(ROOM)
    one.free(ROOM)
    assert not third.take(ROOM)
    other.free(ROOM)
    assert third.take(ROOM)


def test_bytes_and_files_are_apart(opened):
    assert opened().take(GATE)
    assert opened().take(ROOM)
    assert opened("another").take(GATE)


def test_closing_gives_everything_back_and_says_so_once(opened):
    one, other = opened(), opened()
    assert one.take(GATE)
    assert one.share(ROOM)
    one.close()
    one.close()
    assert other.take(GATE)
    assert other.take(ROOM)
    assert opened.closed == ["lock"]


def test_child_processes_do_not_inherit_the_handle(opened, windows):
    opened()
    assert windows.flags == [windows.os.O_RDWR | windows.os.O_CREAT | windows.os.O_NOINHERIT]
