"""Waiting tests sleep until the one that measures leaves, or dies: processes of their own, and no look in between."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys

import pytest

if sys.platform != "linux":
    pytest.skip("where pipes tell of their writers' end", allow_module_level=True)

from pytest_pipeline.plugin.alone.bell import PipeBell
from pytest_pipeline.plugin.alone.bytelocks import open_bell

PROCESS = """
import os, signal, sys
from pytest_pipeline.plugin.alone.bytelocks import open_bell, open_locks
from pytest_pipeline.plugin.alone.lock import Exclusivity, Pace, Patience

def wait_for_the_bell_only(seconds):
    print("sleeps", flush=True)
    sys.stdin.read()  # for ever: nothing but the bell may wake it

signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started the tests may ignore it
path, role, end, bell_s = sys.argv[1:]
patience = Patience(bell_s=float(bell_s))
one = Exclusivity(open_locks(path), patience, Pace(sleep=wait_for_the_bell_only), open_bell(path))
print("ready", flush=True)
getattr(one, role)()
print("in", flush=True)
if end == "measures":
    one.measuring().__enter__()
if end == "forks":
    child = os.fork()
    if not child:
        signal.pause()
    print(child, flush=True)
if end != "ends":
    sys.stdin.readline()
    one.leave()
    sys.stdin.readline()
"""


@pytest.fixture
def start(spawn, tmp_path):
    def start(role: str, end: str = "ends", bell_s: float = 3600.0) -> subprocess.Popen[str]:
        return spawn("-c", PROCESS, tmp_path / "lock", role, end, bell_s)

    return start


def comes_in(process: subprocess.Popen[str]) -> bool:
    """Whether it is inside within ten seconds: a watchdog, and no measurement."""
    ready, _, _ = select.select([process.stdout], [], [], 10.0)
    return bool(ready) and process.stdout.readline() == "in\n"


@pytest.mark.parametrize("waiter", ["share", "be_alone"])
@pytest.mark.parametrize("holder", ["waits", "measures"])
def test_the_death_of_the_one_that_was_alone_wakes_whoever_waits(start, holder, waiter):
    alone = start("be_alone", holder)
    assert alone.stdout.readline() == "in\n"
    waiting = start(waiter)
    alone.kill()
    assert comes_in(waiting)


@pytest.mark.parametrize("waiting", [["share", "share", "share"], ["be_alone"]])
def test_a_measuring_test_that_ends_wakes_everybody_who_waits(start, waiting):
    alone = start("be_alone", "waits")
    assert alone.stdout.readline() == "in\n"
    crowd = [start(role) for role in waiting]
    alone.stdin.write("leave\n")
    alone.stdin.flush()
    assert all(comes_in(each) for each in crowd)


def test_a_forked_child_that_outlives_the_one_that_was_alone_stops_nobody(start):
    alone = start("be_alone", "forks")
    assert alone.stdout.readline() == "in\n"
    child = int(alone.stdout.readline())
    waiting = start("share", bell_s=0.01)
    alone.kill()
    try:
        assert comes_in(waiting)
    finally:
        os.kill(child, signal.SIGKILL)


def test_ctrl_c_ends_the_wait_for_the_bell(start):
    alone = start("be_alone", "waits")
    assert alone.stdout.readline() == "in\n"
    waiting = start("share")
    waiting.send_signal(signal.SIGINT)
    assert waiting.wait(10) == -signal.SIGINT
    assert alone.poll() is None


def test_a_link_or_a_file_in_its_place_is_left_alone_and_the_waiting_look_by_themselves(tmp_path):
    (tmp_path / "file.bell").write_text("somebody's")
    (tmp_path / "link.bell").symlink_to(tmp_path / "file.bell")
    assert open_bell(str(tmp_path / "file")) is None
    assert open_bell(str(tmp_path / "link")) is None
    assert (tmp_path / "file.bell").read_text() == "somebody's"


def test_nobody_listening_or_holding_costs_no_descriptor(tmp_path):
    before = len(os.listdir("/proc/self/fd"))
    bell = PipeBell(str(tmp_path / "bell"))
    bell.let_go()
    assert len(os.listdir("/proc/self/fd")) == before
    bell.hold()
    assert bell.wait(0.0)
    bell.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_pipe_that_was_removed_is_not_heard_and_stops_nobody(tmp_path):
    bell = PipeBell(str(tmp_path / "bell"))
    (tmp_path / "bell").unlink()
    bell.hold()
    assert not bell.wait(3600.0)
