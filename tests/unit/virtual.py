"""A comparison on virtual time: what most unit tests start from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pytest_pipeline.comparing import compare
from pytest_pipeline.measure.machine import Usage
from pytest_pipeline.model.comparison import Comparison
from pytest_pipeline.model.plan import Plan, Stage
from pytest_pipeline.model.requirement import Quantity, Requirement
from pytest_pipeline.model.trace import Trace
from pytest_pipeline.testing import FakeMachine, VirtualExecutor
from pytest_pipeline.testing.executor import VirtualRunning


class Lab:
    """A fake machine with a serial and a threads arm; three waiting stages by default."""

    def __init__(self, *, cpu_share: float = 0.0, **machine: Any) -> None:
        self.machine = FakeMachine(**machine)
        self.serial = VirtualExecutor("serial", self.machine, overlaps=False, cpu_share=cpu_share)
        self.threads = VirtualExecutor("threads", self.machine, cpu_share=cpu_share)
        self.progress: list[str] = []
        self.partial: Comparison | None = None
        self.so_far: Callable[[], Comparison] | None = None

    def stage(self, name: str, seconds: float, **options: Any) -> Stage:
        def run(item: Any) -> Any:
            self.machine.work(seconds)
            return item

        run.__qualname__ = name  # messages write `Stage(parse, ...)` for a function of that name
        return Stage(run, name=name, **options)

    def stages(self, *, workers: int = 1) -> list[Stage]:
        return [
            self.stage("fetch", 0.001),
            self.stage("parse", 0.002, workers=workers),
            self.stage("store", 0.001),
        ]

    def compare(
        self,
        stages: Sequence[Any] | None = None,
        items: Any = range(40),
        *,
        requirements: Sequence[Requirement] = (),
        candidates: Sequence[VirtualExecutor] | None = None,
        **options: Any,
    ) -> Comparison:
        arms = list(candidates) if candidates is not None else [self.threads]
        return compare(
            stages if stages is not None else self.stages(),
            items,
            executors=arms,
            baseline=self.serial,
            requirements=requirements,
            machine=self.machine,
            observer=Notes(self),
            **options,
        )


def alter_traces(executor: VirtualExecutor, alter: Callable[[Trace], Trace]) -> None:
    """Let `alter` have every trace of `executor` before the measurement sees it."""
    opened = executor.open

    def open_(plan: Plan) -> VirtualRunning:
        running = opened(plan)
        run = running.run
        running.run = lambda source: alter(run(source))  # type: ignore[method-assign]
        return running

    executor.open = open_  # type: ignore[method-assign]


class Notes:
    """An observer that writes what it hears into its laboratory."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def began(self, so_far: Callable[[], Comparison]) -> None:
        self._lab.so_far = so_far

    def progress(self, text: str) -> None:
        self._lab.progress.append(text)

    def finished(self, comparison: Comparison) -> None:
        self._lab.partial = comparison


def speedup(limit: float, **options: Any) -> Requirement:
    return Requirement(Quantity.SPEEDUP, limit, **options)


def p99(limit_s: float, **options: Any) -> Requirement:
    return Requirement(Quantity.P99_LATENCY, limit_s, **options)


def sometimes(share: float, slow: float) -> Callable[[int], float]:
    """Return a slowdown of `slow` in `share` of the executions, spread evenly."""

    def slowdown(execution: int) -> float:
        return slow if (execution * share) % 1 < share else 1.0

    return slowdown


def wake_up_slowly(lab: Lab) -> None:
    """Let the control take three times as long where it is the first thing to run after a pause."""
    sleep, neighbour = lab.machine.clock.sleep, lab.machine._neighbour
    awake_at = {"s": 0.0}

    def rest(seconds: float) -> None:
        sleep(seconds)
        awake_at["s"] = lab.machine.clock.now_ns() / 1e9 + 0.005

    lab.machine.clock.sleep = rest  # type: ignore[method-assign]
    lab.machine._neighbour = lambda now: max(neighbour(now), 3.0 if now < awake_at["s"] else 1.0)


def used(foreign_cores: Callable[[float], float], **hidden: bool) -> Callable[[float], Usage]:
    """Count one core of ours, and of others what `foreign_cores` says at that moment, added up in 10 ms."""
    total = {"s": 0.0, "at": 0.0}

    def usage(now_s: float) -> Usage:
        while total["at"] + 0.01 <= now_s:
            total["s"] += 0.01 * foreign_cores(total["at"])
            total["at"] += 0.01
        options = {"sees_others": True, **hidden}
        return Usage(now_s, now_s + total["s"], throttled=0, **options)

    return usage


def error_rate(limit: float, **options: Any) -> Requirement:
    return Requirement(Quantity.ERROR_RATE, limit, **options)


def peak_memory(limit_bytes: float, **options: Any) -> Requirement:
    return Requirement(Quantity.PEAK_MEMORY, limit_bytes, **options)
