"""A scripted `compare`: `pipeline.run(["missed"], [])` has the outcome that its first stage names.

Nested test suites get it as their conftest; nothing is measured, so nothing depends on the machine.
"""

from __future__ import annotations

import importlib
import os
import signal
from typing import Any

import pytest

from pytest_pipeline.errors import UsageError
from pytest_pipeline.model.comparison import Arm, Comparison
from pytest_pipeline.model.environment import Environment
from pytest_pipeline.model.estimate import Estimate, Latency
from pytest_pipeline.model.finding import Finding, Reason, Verdict
from pytest_pipeline.model.plan import make_plan
from pytest_pipeline.model.requirement import BEST, EVERY_CANDIDATE, Quantity, Requirement

VALUES = {
    "met": (2.61, Verdict.MET, Reason.NONE),
    "missed": (1.42, Verdict.MISSED, Reason.NONE),
    "near": (1.98, Verdict.INCONCLUSIVE, Reason.NEAR_LIMIT),
    "busy": (1.98, Verdict.INCONCLUSIVE, Reason.BUSY),
    "unavailable": (0.0, Verdict.UNAVAILABLE, Reason.CANNOT_RUN_HERE),
    "differs": (2.61, Verdict.INVALID, Reason.OUTPUTS_DIFFER),
}
CALLS: list[dict[str, Any]] = []


def compare(stages: Any, items: Any, **options: Any) -> Comparison:
    CALLS.append(options)
    script = str(stages[0])
    observer = options["observer"]
    observer.progress(f"round 1: {script}")
    names = [getattr(each, "name", each) for each in options["executors"] or ("threads",)]
    comparison = _comparison(script.split(), names, options)
    observer.began(lambda: comparison)
    observer.progress(f"round 2: {script}")
    observer.finished(comparison)
    if "dies" in script:
        os.kill(os.getpid(), signal.SIGKILL)
    if "ctrl-c" in script:
        raise KeyboardInterrupt
    if "skips" in script:
        pytest.skip("no data here")
    if "fails" in script:
        pytest.fail("row 3")
    if "waits" in script:
        os.close(os.open("came.fifo", os.O_WRONLY))  # until somebody reads
        os.open("never.fifo", os.O_RDONLY)  # until a signal comes
    if "stage" in script:
        raise ValueError("cannot parse item 3")
    if "raises" in script:
        raise UsageError("no stages: pipeline.run needs at least one callable")
    return comparison


def _comparison(script: list[str], names: list[str], options: dict[str, Any]) -> Comparison:
    value, verdict, reason = VALUES.get(script[0], VALUES["met"])
    if options["mode"] == "off":
        verdict, reason = Verdict.NOT_RUN, Reason.SWITCHED_OFF
    arms = {"serial": _arm("serial", 1.0, is_baseline=True)}
    arms |= {name: _arm(name, value, verdict=verdict) for name in names}
    findings = [
        _finding(each, name, value, verdict, reason)
        for each in options["requirements"]
        for name in (names if each.executor in {EVERY_CANDIDATE, BEST} else [each.executor])
    ]
    if verdict is Verdict.INVALID:
        findings = [_finding(None, names[0], value, verdict, reason)]
    if "numpy" in script:
        findings = [_with_numpy(each) for each in findings]
    return Comparison(
        plan=make_plan([len]),
        baseline="serial",
        arms=arms,
        outputs=["out"],
        findings=tuple(findings),
        environment=ENVIRONMENT,
        num_items=4,
        seconds=0.5,
    )


ENVIRONMENT = Environment("cpu", 2, 2, None, 1, "Linux", "CPython 3.11", True, {"pytest": "x"})


def _arm(name: str, value: float, *, is_baseline: bool = False, verdict: Any = None) -> Arm:
    if verdict is Verdict.UNAVAILABLE:
        return Arm(name, 2, is_baseline, unavailable="no CUDA device")
    if verdict is Verdict.NOT_RUN:
        return Arm(name, 2, is_baseline)
    return Arm(
        name,
        2,
        is_baseline,
        speedup=None if is_baseline else Estimate("speedup", "x", value, 1.3, 2.7, 0.95, 14),
        latency=Latency(0.01, 0.01, 0.02, 0.03, 0.04, 400, "closed"),
        makespan_s=1 / value,
        startup_s=0.001,
    )


def _finding(
    requirement: Requirement | None, name: str, value: float, verdict: Verdict, reason: Reason
) -> Finding:
    headline = _headline(requirement, name, value, verdict, reason)
    return Finding(
        requirement=requirement,
        executor=name,
        verdict=verdict,
        reason=reason,
        headline=headline,
        estimate=_estimate(requirement, value),
        clean_rounds=14,
        cause="bottleneck: stage 'decode', 1 worker, busy 97 % of the makespan",
        next_step="Stage(decode, workers=2) is predicted to reach 2.3x",
    )


def _estimate(requirement: Requirement | None, value: float) -> Estimate:
    if requirement is not None and requirement.quantity is Quantity.P99_LATENCY:
        return Estimate("p99 latency", "s", 0.03, 0.028, 0.031, 0.95, 400)
    return Estimate("speedup", "x", value, 1.3, 2.7, 0.95, 14)


def _headline(
    requirement: Requirement | None, name: str, value: float, verdict: Verdict, reason: Reason
) -> str:
    if verdict is Verdict.INVALID:
        return f"outputs differ ({name}): item 3: expected 4, found 5"
    if verdict is Verdict.UNAVAILABLE:
        return f"{name} cannot run here: no CUDA device"
    assert requirement is not None
    if requirement.quantity is Quantity.P99_LATENCY:
        return f"p99 30 ms > {requirement.limit * 1000:g} ms ({name})"
    suffix = f": {reason.value}" if reason else ""
    relation = ">=" if verdict is Verdict.MET else "<"
    return f"speedup {value:.2f}x {relation} {requirement.limit:.2f}x ({name}){suffix}"


def _with_numpy(finding: Finding) -> Finding:
    import dataclasses

    import numpy as np

    return dataclasses.replace(
        finding, clean_rounds=np.int64(14), headline=np.str_(finding.headline)
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    patch = pytest.MonkeyPatch()
    module = importlib.import_module("pytest_pipeline.comparing")
    patch.setattr(module, "compare", compare)
    config.add_cleanup(patch.undo)
