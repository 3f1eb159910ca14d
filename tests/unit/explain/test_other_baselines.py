"""What is explained where the baseline overlaps its stages itself: nothing that holds over a serial loop only."""

from __future__ import annotations

from unit.virtual import Lab, speedup

from pytest_pipeline.comparing import compare
from pytest_pipeline.model.finding import Verdict
from pytest_pipeline.model.plan import Stage
from pytest_pipeline.model.requirement import Quantity, Requirement
from pytest_pipeline.testing import VirtualExecutor


def over_threads(lab: Lab, *requirements: Requirement, stages=None):
    """Compare another arm of threads with threads."""
    return compare(
        stages or lab.stages(),
        range(40),
        executors=[VirtualExecutor("newer", lab.machine)],
        baseline=lab.threads,
        requirements=requirements,
        machine=lab.machine,
    )


def test_a_baseline_that_overlaps_is_promised_no_gain_that_it_would_have_too():
    result = over_threads(Lab(), speedup(1.5))
    (finding,) = result.findings
    assert finding.verdict is Verdict.MISSED
    assert finding.headline.startswith("speedup 1.00x < 1.50x (newer; ")
    assert finding.cause == "bottleneck: stage 'parse', 1 worker, busy 98 % of the makespan"
    assert finding.next_step == ""
    assert result["newer"].what_ifs == ()
    assert result["newer"].bottleneck.ceiling is None
    assert result.notes["ceilings"] == []


def test_efficiency_and_throughput_over_such_a_baseline_name_the_bottleneck_alone():
    wanted = [Requirement(Quantity.EFFICIENCY, 0.9), Requirement(Quantity.THROUGHPUT, 720.0)]
    efficiency, throughput = over_threads(Lab(), *wanted).findings
    assert efficiency.cause.startswith("bottleneck: stage 'parse'")
    assert "720/s is 1.48x what the baseline reaches" in throughput.cause
    assert efficiency.next_step == throughput.next_step == ""


def test_a_lock_is_still_seen_beside_such_a_baseline():
    lab = Lab()

    def query(item):
        lab.machine.work(0.006 if lab.machine.running == "newer" else 0.002)
        return item

    stages = [lab.stage("fetch", 0.001), Stage(query, name="query")]
    (finding,) = over_threads(lab, speedup(1.5), stages=stages).findings
    assert "stage 'query' takes 3.0x as long per item as in the baseline" in finding.cause
    assert finding.next_step.startswith("look for a lock")


def test_a_baseline_of_one_worker_is_a_serial_loop_whatever_it_is_called():
    lab = Lab()
    result = over_threads(lab, speedup(1.5), stages=[lab.stage("only", 0.002)])
    assert result["newer"].bottleneck.ceiling is not None
    assert result["newer"].what_ifs


def test_a_ceiling_that_there_is_not_is_null_in_the_document():
    document = over_threads(Lab(), speedup(1.5)).to_dict()
    (newer,) = [arm for arm in document["arms"] if arm["executor"] == "newer"]
    assert newer["bottleneck"]["ceiling"] is None
