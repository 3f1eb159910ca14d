"""A boosting machine is told from a busy one, and a neighbour that was there first is still no reference."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field

import psutil
import pytest
from unit.measure.killed_parent import helper_of_a_killed_parent_ends
from unit.virtual import Lab, speedup

from pytest_pipeline.measure.system.load import IdleLoad
from pytest_pipeline.measure.system.pressure import Counters
from pytest_pipeline.model.finding import Reason, Verdict

BARE_METAL = "flags\t\t: fpu vme sse2"
VIRTUAL = "flags\t\t: fpu vme sse2 hypervisor"


@dataclass
class ScriptedLoad:
    """Spinners whose start or end gives a reason to doubt them; `started` counts the windows."""

    refusal: str = ""
    afterthought: str = ""
    started: list[int] = field(default_factory=list)
    lab: Lab | None = None

    def start(self, spinners: int) -> str:
        self.started.append(spinners)
        return self.refusal

    def spin(self) -> None:
        self.lab.machine.is_loaded = True

    def rest(self) -> None:
        self.lab.machine.is_loaded = False

    def stop(self, core_seconds: float) -> str:
        assert core_seconds > 0
        return self.afterthought


def boosting(load: ScriptedLoad | None = None, **machine) -> Lab:
    """A machine whose lone core runs 1.25 times faster: the control reaches 1.6x on two workers."""
    lab = Lab(cpu_share=1.0, turbo=1.25, load=load, **machine)
    if load is not None:
        load.lab = lab
    return lab


def test_a_machine_that_boosts_a_lone_core_is_measured_when_it_is_idle():
    result = boosting().compare(requirements=[speedup(1.5)])
    assert result.findings[0].verdict is Verdict.MET
    assert result.reference.speedup == pytest.approx(1.6)
    assert result.reference.loaded_serial_s == pytest.approx(0.02)


def test_more_than_a_boosting_machine_gives_is_still_a_lack_of_capacity():
    (finding,) = boosting().compare(requirements=[speedup(1.9)]).findings
    assert (finding.verdict, finding.reason) == (Verdict.INCONCLUSIVE, Reason.CAPACITY)
    assert "control kernel reaches 1.60x" in finding.text


@pytest.mark.parametrize("turbo", [1.0, 1.25])
def test_a_neighbour_that_was_there_first_is_no_reference_under_load_either(turbo):
    # It takes its core from the spinners: the serial control does not feel it, the parallel one does.
    lab = Lab(cpu_share=1.0, turbo=turbo, neighbour=lambda _: 1.5)
    (finding,) = lab.compare(requirements=[speedup(1.1)]).findings
    assert (finding.verdict, finding.reason) == (Verdict.INCONCLUSIVE, Reason.CAPACITY)
    assert "the machine is shared or busy" in finding.text


def test_a_neighbour_behind_a_hypervisor_is_no_reference_although_spinners_feel_it_too():
    load = ScriptedLoad(afterthought="as its hypervisor took 33 % of the cores")
    (finding,) = boosting(load).compare(requirements=[speedup(1.5)]).findings
    assert (finding.verdict, finding.reason) == (Verdict.INCONCLUSIVE, Reason.CAPACITY)
    assert "shared or busy, as its hypervisor took 33 % of the cores" in finding.text


def test_where_spinners_prove_nothing_the_message_says_that_it_may_be_turbo():
    load = ScriptedLoad(refusal="or boosts lone cores, which cannot be told here")
    (finding,) = boosting(load).compare(requirements=[speedup(1.5)]).findings
    assert finding.reason is Reason.CAPACITY
    assert "1.60x on 2 workers (at least 1.70x needed)" in finding.text
    assert "shared or busy, or boosts lone cores, which cannot be told here" in finding.text


def test_a_machine_that_scales_is_never_asked_again():
    load = ScriptedLoad()
    lab = Lab(cpu_share=1.0, load=load)
    load.lab = lab
    assert lab.compare(requirements=[speedup(1.5)]).findings[0].verdict is Verdict.MET
    assert load.started == []


needs_idle_priority = pytest.mark.skipif(
    not hasattr(os, "SCHED_IDLE"), reason="this system has no idle priority"
)


only_x86 = pytest.mark.skipif(
    os.uname().machine != "x86_64", reason="only x86 says that there is no hypervisor"
)


def readings(*counters: Counters):
    given = iter(counters)
    return lambda: next(given)


@needs_idle_priority
def test_in_a_virtual_machine_without_known_steal_no_spinner_is_started():
    load = IdleLoad(readings(Counters(steal_s=0.0)), VIRTUAL)
    assert load.start(1).endswith("cannot be told here: its hypervisor reports no steal")
    assert load.pids == []


@needs_idle_priority
def test_steal_during_the_window_is_a_neighbour():
    load = IdleLoad(readings(*map(Counters, [None] * 3, [100.0, 100.0, 100.5])), VIRTUAL)
    assert load.start(0) == ""
    assert load.stop(core_seconds=2.0) == "as its hypervisor took 25 % of the cores"


@needs_idle_priority
@only_x86
def test_threads_that_waited_for_a_core_had_a_neighbour_whatever_the_ratio():
    before, after = Counters(tasks={1: (0, 0)}), Counters(tasks={1: (2_000, 1_000)})
    load = IdleLoad(readings(before, after), BARE_METAL)
    assert load.start(0) == ""
    assert load.stop(core_seconds=2.0) == "as our threads waited 33 % of the time for a core"


@needs_idle_priority
@only_x86
def test_where_no_spinner_can_be_started_the_doubt_says_so(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert IdleLoad(Counters, BARE_METAL).start(1).endswith("could not be started")


@needs_idle_priority
@only_x86
def test_real_spinners_run_at_idle_priority_and_none_is_left():
    load = IdleLoad(Counters, BARE_METAL)
    assert load.start(2) == ""
    processes = [psutil.Process(pid) for pid in load.pids]
    load.spin()
    load.rest()
    assert load.stop(core_seconds=1.0) == ""
    assert not any(process.is_running() for process in processes)


@needs_idle_priority
def test_killing_the_parent_leaves_no_spinner_behind():
    code = (
        "from pytest_pipeline.measure.system.load import IdleLoad\n"
        "from pytest_pipeline.measure.system.pressure import Counters\n"
        "load = IdleLoad(lambda: Counters(steal_s=1.0))\n"
        "assert load.start(1) == ''\n"
        "load.spin()\n"
        "print(*load.pids, flush=True)\n"
        "input()\n"
    )
    assert helper_of_a_killed_parent_ends(code, watchdog_s=30.0)  # idle priority is slow
