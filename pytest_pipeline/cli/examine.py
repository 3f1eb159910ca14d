"""Gather the facts for `doctor`, bounded in time: the control kernel on each executor, the clock, the rest."""

from __future__ import annotations

import multiprocessing
import os
import sys
import sysconfig
import time
from collections.abc import Callable
from importlib import metadata
from itertools import pairwise
from statistics import median

from pytest_pipeline.cli.checkup import Checkup, ClockFacts, ControlFacts, Noise
from pytest_pipeline.clock import Clock, MonotonicClock
from pytest_pipeline.cores import allowed_cores, usable_cores
from pytest_pipeline.executors.cuda import Cuda
from pytest_pipeline.executors.processes import Processes
from pytest_pipeline.executors.protocol import Executor
from pytest_pipeline.executors.serial import Serial
from pytest_pipeline.executors.threads import Threads
from pytest_pipeline.judge.capacity import CLEAN_FACTOR
from pytest_pipeline.measure.control import (
    Control,
    ExecutorControl,
    ask_again,
    calibrate_loops,
    make_reference,
)
from pytest_pipeline.measure.instruments import PoolCaps, quiet_instruments
from pytest_pipeline.measure.system import host
from pytest_pipeline.measure.system.heartbeat import has_shared_clock
from pytest_pipeline.measure.system.load import IdleLoad, Load
from pytest_pipeline.measure.system.pressure import read_counters
from pytest_pipeline.model.rounds import Reference
from pytest_pipeline.plugin.rival import rival_version
from pytest_pipeline.stats.quantiles import quantile

WIDEST = 8
"""Workers of the control kernel at most: the serial runs on 64 cores alone would take ten seconds."""

CONTROL_S = 1.2
"""Seconds for the control kernel of one executor."""

LISTEN_S = 2.5
"""Seconds of listening to the noise."""

PAUSE_S = 0.03
"""Between two runs while listening."""

_PLUGINS = ("pytest", "pytest-xdist", "pytest-cov", "coverage", "pytest-timeout")

_TELLING = ("COVERAGE_PROCESS_START", "PYTEST_XDIST_WORKER", "PYTEST_ADDOPTS", "PYTHONDEVMODE")
"""Environment variables that say that an instrument is, or will be, on."""


def examine() -> Checkup:
    """Return what this machine can measure; takes less than ten seconds on an idle one."""
    began = time.perf_counter()
    pools = _pools()
    with PoolCaps() as caps, quiet_instruments(caps) as instruments:
        controls, noise = _controls(MonotonicClock())
    return Checkup(
        environment=host.describe(),
        cores_allowed=allowed_cores(),
        free_threaded=bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        start_methods=_start_methods(),
        clock=clock_facts(time.perf_counter_ns),
        controls=controls,
        noise=noise,
        cuda=Cuda().unavailable() or "",
        traced=instruments.traced,
        instruments=(*instruments.notes, *_environment_notes()),
        companions=_versions(),
        pools=pools,
        readable=_readable(),
        rival=rival_version(),
        seconds=time.perf_counter() - began,
    )


def run_control(
    control: Control, executor: str, clock: Clock, load: Load | None = None
) -> Reference:
    """Return the reference from interleaved runs: at least three, at most twenty, for about `CONTROL_S`.

    One that shows too little is asked again under `load`, as a measurement does.
    """
    deadline_ns = clock.now_ns() + round(CONTROL_S * 1e9)
    pairs: list[tuple[float, float]] = []
    while len(pairs) < 3 or (len(pairs) < 20 and clock.now_ns() < deadline_ns):
        pairs.append((control.serial_s(), control.parallel_s()))
    return ask_again(control, make_reference(executor, control.width, pairs), load)


def listen(control: Control, reference: Reference, clock: Clock) -> Noise:
    """Run the parallel control again and again for about `LISTEN_S`, and say how steady it is."""
    began_ns = clock.now_ns()
    times: list[float] = []
    while len(times) < 8 or clock.now_ns() - began_ns < LISTEN_S * 1e9:
        times.append(control.parallel_s())
        clock.sleep(PAUSE_S)
    disturbed = sum(seconds > CLEAN_FACTOR * reference.parallel_s for seconds in times)
    return Noise(
        windows=len(times),
        seconds=(clock.now_ns() - began_ns) / 1e9,
        disturbed_share=disturbed / len(times),
        spread=(quantile(times, 0.75) - quantile(times, 0.25)) / median(times),
    )


def clock_facts(now_ns: Callable[[], int], readings: int = 20_000) -> ClockFacts:
    """Return resolution and cost of a clock from `readings` of it."""
    stamps = [now_ns() for _ in range(readings)]
    steps = [later - earlier for earlier, later in pairwise(stamps)]
    return ClockFacts(
        implementation=time.get_clock_info("perf_counter").implementation,
        resolution_s=min((step for step in steps if step > 0), default=0) / 1e9,
        cost_s=(stamps[-1] - stamps[0]) / (readings - 1) / 1e9,
        is_shared=has_shared_clock(),
    )


def _controls(clock: Clock) -> tuple[tuple[ControlFacts, ...], Noise | None]:
    loops = calibrate_loops()
    width = min(usable_cores(), WIDEST)
    noise: Noise | None = None
    found = []
    for executor in (Threads(), Processes(workers=width)):
        try:
            control = ExecutorControl(executor, Serial(), width, loops)
        except Exception as error:
            found.append(ControlFacts(executor.name, cause=f"{type(error).__name__}: {error}"))
            continue
        facts, heard = _ask(control, executor, clock)
        found.append(facts)
        noise = noise or heard
    return tuple(found), noise


def _ask(
    control: ExecutorControl, executor: Executor, clock: Clock
) -> tuple[ControlFacts, Noise | None]:
    try:
        control.parallel_s()  # the first run warms the workers up
        reference = run_control(control, executor.name, clock, IdleLoad())
        noise = listen(control, reference, clock) if executor.name == "threads" else None
    except Exception as error:
        return ControlFacts(executor.name, cause=f"{type(error).__name__}: {error}"), None
    finally:
        control.close()
    return ControlFacts(executor.name, reference), noise


def _start_methods() -> tuple[str, ...]:
    known = multiprocessing.get_all_start_methods()
    preferred = "spawn" if sys.platform == "win32" else "forkserver"
    return tuple(sorted(known, key=lambda method: method != preferred))


def _environment_notes() -> tuple[str, ...]:
    return tuple(f"{name}={os.environ[name]} is set" for name in _TELLING if name in os.environ)


def _versions() -> dict[str, str]:
    found = {}
    for name in _PLUGINS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _pools() -> tuple[str, ...]:
    import numpy as np  # noqa: F401 - loads the BLAS library that stages would use
    import threadpoolctl

    return tuple(
        f"{pool['internal_api']}: {pool['num_threads']} threads"
        for pool in threadpoolctl.threadpool_info()
    )


def _readable() -> dict[str, bool]:
    counters = read_counters()
    return {
        "run-queue wait": counters.tasks is not None,
        "steal": counters.steal_s is not None,
        "quota throttling": counters.throttled_s is not None,
        "pressure (PSI)": counters.pressure_s is not None,
    }
