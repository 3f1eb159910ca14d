"""`sweep`: the same plan over a grid of workers, queue sizes, batch sizes and executors; nothing is gated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import Any

from pytest_pipeline.comparing import DEFAULT_EXECUTORS, Observer, Unobserved, beside, compare
from pytest_pipeline.errors import UsageError
from pytest_pipeline.executors.protocol import Executor
from pytest_pipeline.executors.registry import resolve
from pytest_pipeline.model.comparison import Arm, Comparison
from pytest_pipeline.model.estimate import Estimate
from pytest_pipeline.model.plan import make_plan
from pytest_pipeline.model.sweep import Point, Scaling, Sweep
from pytest_pipeline.setting import Setting, make_grid
from pytest_pipeline.stats.scalability import fit_amdahl, fit_usl

DEFAULT_WORKERS = (1, 2, 4)
"""Workers per stage, or of the pool, when none are named."""

_UNGATED_SHARE = 3.0
"""A comparison without gates ends after a third of its budget (`RatioPhase`): ask for three times as much."""


def sweep(
    stages: Sequence[Any],
    items: Any,
    *,
    workers: Sequence[int] = DEFAULT_WORKERS,
    queue_size: Sequence[int] | None = None,
    batch_size: Sequence[int] | None = None,
    executors: Sequence[str | Executor] | None = None,
    baseline: str | Executor = "serial",
    budget_s: float = 60.0,
    extra_executors: Mapping[str, Executor] | None = None,
    observer: Observer | None = None,
    so_far: Callable[[Sweep], object] | None = None,
    **options: Any,
) -> Sweep:
    """Measure `stages` on `items` for every combination of `workers`, `queue_size`, `batch_size` and executor.

    `workers` sets `Stage.workers` of every stage, and the pool of executors that have one of their
    own; `batch_size` sets `Stage.batch` of the stages that declare one, in the baseline too. Each
    setting is one comparison with the baseline in interleaved rounds, so that points of different
    minutes can be compared; `budget_s` seconds are shared out evenly. `so_far` takes the study after every setting, so that an interruption loses nothing; `options` go to
    `compare` (check, setup, teardown, timeout, mode, machine, company).

    Raises `UsageError` for an empty or absurd grid and whatever `compare` raises.
    """
    plan = make_plan(stages)
    settings = make_grid(plan, workers, queue_size, batch_size)
    first = resolve(baseline, extra_executors)
    arms = beside(first, executors or DEFAULT_EXECUTORS, extra_executors)
    hears = observer or Unobserved()
    comparisons: list[tuple[Setting, Comparison]] = []
    for number, setting in enumerate(settings, start=1):
        comparison = compare(
            setting.stages(plan),
            items,
            executors=[setting.executor(each) for each in arms] or [first],
            baseline=first,
            budget_s=_UNGATED_SHARE * budget_s / len(settings),
            extra_executors=extra_executors,
            predicts=False,  # a point has no what-ifs: nobody would read them
            observer=Numbered(hears, f"sweep {number} of {len(settings)} ({setting})"),
            **options,
        )
        _raise_wrong(comparison, setting)
        comparisons.append((setting, comparison))
        made = _sweep(comparisons)
        if so_far is not None:
            so_far(made)
    return made


def _raise_wrong(comparison: Comparison, setting: Setting) -> None:
    wrong = [finding.headline for finding in comparison.findings if finding.verdict.fails]
    if wrong:
        raise UsageError(f"sweep stopped at {setting}: {'; '.join(wrong)}")


def _sweep(comparisons: Sequence[tuple[Setting, Comparison]]) -> Sweep:
    first = comparisons[0][1]
    points = [
        _point(setting, comparison, arm)
        for setting, comparison in comparisons
        for arm in comparison.arms.values()
        if not arm.is_baseline and not arm.unavailable
    ]
    points = _with_gains(points)
    return Sweep(
        stages=first.plan.names,
        baseline=first.baseline,
        num_items=first.num_items,
        points=tuple(points),
        scalings=tuple(_scalings(points)),
        unavailable={
            arm.executor: arm.unavailable for arm in first.arms.values() if arm.unavailable
        },
        seconds=sum(comparison.seconds for _, comparison in comparisons),
    )


def _point(setting: Setting, comparison: Comparison, arm: Arm) -> Point:
    return Point(
        executor=arm.executor,
        workers=setting.workers,
        queue_size=setting.queue_size,
        total_workers=arm.workers,
        speedup=arm.speedup,
        makespan_s=arm.makespan_s,
        baseline_s=comparison[comparison.baseline].makespan_s,
        throughput_per_s=arm.throughput_per_s,
        batch_size=setting.batch_size,
    )


def _with_gains(points: Sequence[Point]) -> list[Point]:
    """Return the points with what batching alone buys, from the baselines of all points of a batch size."""
    found: dict[int | None, list[float]] = {}
    for point in points:
        if point.baseline_s:
            found.setdefault(point.batch_size, []).append(point.baseline_s)
    baselines = {size: median(values) for size, values in found.items()}
    first = next(iter(baselines.values()), 0.0)
    return [
        replace(point, batch_gain=first / baselines.get(point.batch_size, first) if first else 1.0)
        for point in points
    ]


def _scalings(points: Sequence[Point]) -> list[Scaling]:
    names = dict.fromkeys(point.executor for point in points)
    made = [_scaling(name, [each for each in points if each.executor == name]) for name in names]
    return [each for each in made if each is not None]


def _scaling(executor: str, points: Sequence[Point]) -> Scaling | None:
    values = _medians(points, lambda speedup: speedup.value)
    if 1 not in values:
        return None
    one = values[1]
    amdahl = fit_amdahl(_relative(values, one))
    if amdahl is None:
        return None
    usl = fit_usl(_relative(values, one))
    return Scaling(
        executor=executor,
        serial_share=amdahl.serial_share,
        serial_share_lower=_share(_medians(points, lambda speedup: speedup.upper), values),
        serial_share_upper=_share(_medians(points, lambda speedup: speedup.lower), values),
        amdahl_error=amdahl.largest_error,
        contention=None if usl is None else usl.contention,
        coherency=None if usl is None else usl.coherency,
        usl_error=None if usl is None else usl.largest_error,
    )


def _medians(points: Sequence[Point], pick: Callable[[Estimate], float | None]) -> dict[int, float]:
    """Return the median over the points of each worker count; counts with an open end are left out."""
    found: dict[int, list[float | None]] = {}
    for point in points:
        if point.speedup is not None and point.speedup.value > 0:
            found.setdefault(point.workers, []).append(pick(point.speedup))
    return {
        workers: median([value for value in values if value])
        for workers, values in sorted(found.items())
        if all(values)
    }


def _relative(values: Mapping[int, float], one: float) -> dict[int, float]:
    return {workers: value / one for workers, value in values.items()}


def _share(ends: Mapping[int, float], values: Mapping[int, float]) -> float | None:
    """Return the serial share when every point lay at this end of its interval, one worker apart."""
    if set(ends) != set(values):
        return None
    fit = fit_amdahl(_relative({**ends, 1: values[1]}, values[1]))
    return None if fit is None else fit.serial_share


class Numbered:
    """Shows which setting a line of progress belongs to; results of single settings are not kept."""

    def __init__(self, observer: Observer, prefix: str) -> None:
        self._observer = observer
        self._prefix = prefix

    def began(self, so_far: Callable[[], Comparison]) -> None:
        """Pass on."""
        self._observer.began(so_far)

    def progress(self, text: str) -> None:
        """Pass on, numbered."""
        self._observer.progress(f"{self._prefix}: {text}")

    def finished(self, comparison: Comparison) -> None:
        """Pass on."""
        self._observer.finished(comparison)
