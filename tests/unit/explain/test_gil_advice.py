"""What to do against the GIL: processes only where they are predicted to help."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from unit.virtual import Lab, speedup

from pytest_pipeline.explain.advice import advise
from pytest_pipeline.explain.ceiling import Host
from pytest_pipeline.model.plan import Stage
from pytest_pipeline.testing import VirtualExecutor

HELD = {"crunch": 1.0}
OTHERWISE = "use fewer threads, code in 'crunch' that releases the GIL, or free-threaded Python"


def contended() -> Lab:
    """Threads take twice as long as the baseline in a stage that computes and holds the GIL."""
    lab = Lab(cpu_share=1.0, gil_shares=HELD)
    lab.threads.slowdown = lambda _: 2.0
    return lab


def crunch(lab: Lab, **options):
    return [lab.stage("crunch", 0.004, workers=2, **options)]


def test_processes_that_are_predicted_to_gain_are_proposed_with_the_number():
    lab = contended()
    (finding,) = lab.compare(crunch(lab), requirements=[speedup(1.9)]).findings
    assert finding.next_step.startswith('executors=["processes"] is predicted to reach 1.9')


@pytest.mark.parametrize("predicted", [0.3, 1.04])
def test_processes_that_are_predicted_to_gain_nothing_are_not_named(predicted):
    lab = contended()
    result = lab.compare(crunch(lab), requirements=[speedup(1.9)])
    arm = result["threads"]
    slower = tuple(
        replace(each, predicted_speedup=predicted) if each.setting.executor == "processes" else each
        for each in arm.what_ifs
    )
    arm = replace(arm, what_ifs=slower)
    advice = advise(arm, result["serial"], 1.9, Host(2.0, HELD))
    assert advice.cause.endswith("'crunch' holds the GIL for 100 % of its service time")
    assert advice.next_step == OTHERWISE


def test_processes_that_the_stage_cannot_travel_to_are_not_named():
    lab, lock = contended(), threading.Lock()

    def guarded(item):
        with lock:
            lab.machine.work(0.004)
        return item

    stages = [Stage(guarded, name="crunch", workers=2)]
    (finding,) = lab.compare(stages, requirements=[speedup(1.9)]).findings
    assert finding.next_step == OTHERWISE


def test_processes_that_were_measured_to_be_slower_are_not_named():
    lab = contended()
    slow = VirtualExecutor("processes", lab.machine, slowdown=lambda _: 6.0)
    threads, _ = lab.compare(
        crunch(lab), requirements=[speedup(1.9)], candidates=[lab.threads, slow]
    ).findings
    assert threads.next_step == OTHERWISE


def test_a_stage_whose_name_speaks_of_processes_is_not_taken_for_them():
    lab, lock = Lab(gil_shares=HELD), threading.Lock()
    for executor in (lab.serial, lab.threads):
        executor.cpu_share = {"load_processes": 0.01, "crunch": 1.0}

    def query(item):
        with lock:
            lab.machine.work(0.006 if lab.machine.running == "threads" else 0.002)
        return item

    stages = [Stage(query, name="load_processes"), lab.stage("crunch", 0.004)]
    (finding,) = lab.compare(stages, requirements=[speedup(2.5)]).findings
    assert finding.next_step == OTHERWISE
