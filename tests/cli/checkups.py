"""Scripted facts about machines: nothing here is timed."""

from __future__ import annotations

from dataclasses import replace

from pytest_pipeline.cli.checkup import Checkup, ClockFacts, ControlFacts, Noise
from pytest_pipeline.model.environment import Environment
from pytest_pipeline.model.rounds import Reference

ENVIRONMENT = Environment(
    cpu="virtual",
    cores_logical=4,
    cores_usable=2,
    cpu_quota=None,
    memory_bytes=2**33,
    system="Linux",
    python="CPython 3.13.1",
    gil=True,
    packages={},
)


def control(executor: str, speedup: float, *, width: int = 2) -> ControlFacts:
    return ControlFacts(executor, Reference(executor, width, 0.01 * width / speedup, 0.01 * width))


QUIET = Checkup(
    environment=ENVIRONMENT,
    cores_allowed=2,
    free_threaded=False,
    start_methods=("forkserver", "spawn", "fork"),
    clock=ClockFacts("clock_gettime(CLOCK_MONOTONIC)", 40e-9, 60e-9, is_shared=True),
    controls=(control("threads", 1.96), control("processes", 1.9)),
    noise=Noise(windows=60, seconds=2.5, disturbed_share=0.05, spread=0.02),
    cuda="",
    traced="",
    instruments=(),
    companions={"pytest": "9.2.0", "pytest-xdist": "3.8.0"},
    pools=("openblas: 2 threads",),
    readable={"run-queue wait": True, "pressure (PSI)": True},
    rival="",
    seconds=6.5,
)


def machine(**changes) -> Checkup:
    return replace(QUIET, **changes)


def place(**changes) -> Checkup:
    return machine(environment=replace(ENVIRONMENT, **changes))
