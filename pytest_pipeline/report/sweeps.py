"""A sweep in the report: the fastest setting in words, curves over workers, and what the laws say."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pytest_pipeline.report import units
from pytest_pipeline.report.charts.growth import GrowthChart, Sample, growth_chart
from pytest_pipeline.report.table import Table
from pytest_pipeline.report.text import one_line
from pytest_pipeline.report.words import Json

GOOD_FIT = 0.1
"""Largest relative error up to which a fitted law is worth a sentence about the future."""


@dataclass(frozen=True, slots=True)
class SweepView:
    """One `pipeline.sweep` of a test."""

    lead: str
    """The fastest setting in one sentence."""
    chart: GrowthChart | None
    notes: tuple[str, ...]
    """Fitted laws, executors that could not run, ties."""
    table: Table


def make_sweep(sweep: Json) -> SweepView:
    """Return the view of one sweep."""
    singles = [_total(point) for point in _timed(sweep["points"]) if point["workers"] == 1]
    return SweepView(
        lead=lead_sentence(sweep),
        chart=growth_chart(
            _series(sweep["points"]),
            title=_title(sweep["points"]),
            x_label=_x_label(sweep),
            ideal_per_x=max(singles, default=None),
        ),
        notes=tuple(_notes(sweep)),
        table=_table(sweep["points"]),
    )


def lead_sentence(sweep: Json) -> str:
    """Return the fastest setting in words; says so when another one cannot be told apart from it."""
    timed = _timed(sweep["points"])
    settings = units.count(len(sweep["points"]), "setting")
    if not timed:
        return f"Sweep of {settings}: nothing was timed."
    best = max(timed, key=_total)
    ties = [point for point in timed if point is not best and _overlap(point, best)]
    shown = f"{_name(best)}, {units.ratio(_total(best))}{_apart(best, timed)}"
    tie = ""
    if ties:
        least = min([*ties, best], key=lambda point: int(point["total_workers"]))
        tie = f"; {units.count(len(ties), 'other')} cannot be told apart from it"
        if least is not best:
            tie += f", the cheapest is {_name(least)}"
    return f"Sweep of {settings}: fastest is {shown}{tie}."


def _timed(points: Sequence[Json]) -> list[Json]:
    return [point for point in points if point["speedup"] and point["speedup"]["value"]]


def _gain(point: Json) -> float:
    """Return what the batch size alone buys; 1 where none was swept."""
    return float(point.get("batch_gain", 1.0))


def _total(point: Json) -> float:
    """Return the speedup over the baseline with the first batch size, so that batch sizes can be compared."""
    return float(point["speedup"]["value"]) * _gain(point)


def _batch_sizes(points: Sequence[Json]) -> list[int]:
    return list(dict.fromkeys(each["batch_size"] for each in points if each.get("batch_size")))


def _apart(best: Json, points: Sequence[Json]) -> str:
    """Say what batching and what concurrency buy, where both were varied."""
    sizes = _batch_sizes(points)
    if len(sizes) < 2:
        return ""
    return (
        f" over the baseline with batch_size={sizes[0]} ({units.ratio(_gain(best))} from the batch size alone, "
        f"{units.ratio(best['speedup']['value'])} from the executor)"
    )


def _title(points: Sequence[Json]) -> str:
    sizes = _batch_sizes(points)
    if len(sizes) < 2:
        return "Speedup against workers"
    return f"Speedup against workers, by batch size, over the baseline with batch_size={sizes[0]}"


def _overlap(one: Json, other: Json) -> bool:
    """Whether two intervals share a value; an open end shares everything beyond it."""
    ends = [_interval(each) for each in (one, other)]
    lows = [-math.inf if low is None else float(low) for low, _ in ends]
    highs = [math.inf if high is None else float(high) for _, high in ends]
    return max(lows) <= min(highs)


def _interval(point: Json) -> tuple[float | None, float | None]:
    """Return the interval of the speedup over the baseline with the first batch size."""
    low, high = point["speedup"]["lower"], point["speedup"]["upper"]
    gain = _gain(point)
    return None if low is None else low * gain, None if high is None else high * gain


def _name(point: Json) -> str:
    queue = "" if point["queue_size"] is None else f", queue_size={point['queue_size']}"
    batch = f", batch_size={point['batch_size']}" if point.get("batch_size") else ""
    return f"{one_line(point['executor'])} with workers={point['workers']}{queue}{batch}"


def _series(points: Sequence[Json]) -> dict[str, list[Sample]]:
    has_queues = len({point["queue_size"] for point in points}) > 1
    has_batches = len(_batch_sizes(points)) > 1
    series: dict[str, list[Sample]] = {}
    for point in _timed(points):
        name = one_line(point["executor"])
        name += f", queue {point['queue_size']}" if has_queues else ""
        name += f", by {point['batch_size']}" if has_batches else ""
        sample = (float(point["workers"]), _total(point), *_interval(point))
        series.setdefault(name, []).append(sample)
    return series


def _x_label(sweep: Json) -> str:
    is_pool = any(point["workers"] == point["total_workers"] for point in sweep["points"])
    is_staged = any(point["workers"] < point["total_workers"] for point in sweep["points"])
    if is_staged and is_pool and len(sweep["stages"]) > 1:
        return "workers (of each stage, or of the pool)"
    return "workers of each stage" if is_staged else "workers"


def _notes(sweep: Json) -> Iterator[str]:
    for scaling in sweep["scalings"]:
        yield _amdahl(scaling)
        text = _usl(scaling)
        if text:
            yield text
    for name, cause in sweep["unavailable"].items():
        yield f"{one_line(name)} could not run here: {one_line(cause)}"


def _amdahl(scaling: Json) -> str:
    name, share, error = (
        one_line(scaling["executor"]),
        scaling["serial_share"],
        scaling["amdahl_error"],
    )
    if error > GOOD_FIT:
        return f"{name} does not follow Amdahl's law (largest error {units.percent(error)}): no forecast"
    low, high = scaling["serial_share_lower"], scaling["serial_share_upper"]
    spread = (
        "" if low is None or high is None else f" ({units.percent(low)} to {units.percent(high)})"
    )
    text = f"{name} follows Amdahl's law within {units.percent(error)}: serial share {units.percent(share)}{spread}"
    if share <= 0:
        return f"{text}, no limit seen yet"
    return f"{text}, so at most {units.ratio(1 / share)} of its single worker's speed"


def _usl(scaling: Json) -> str:
    sigma, kappa, error = scaling["contention"], scaling["coherency"], scaling["usl_error"]
    if sigma is None or not kappa or error is None or error > GOOD_FIT:
        return ""
    peak = math.sqrt(max(0.0, 1 - sigma) / kappa)
    return (
        f"{one_line(scaling['executor'])} gets slower beyond about {max(1.0, peak):.0f} workers "
        f"(Universal Scalability Law: contention {units.percent(sigma)}, coherency {units.significant(kappa, 2)})"
    )


def _table(points: Sequence[Json]) -> Table:
    columns = (
        "setting",
        "worker slots",
        "speedup",
        "interval",
        "batch size alone",
        "efficiency",
        "makespan",
        "items/s",
    )
    return Table(columns, tuple(_row(point) for point in points))


def _row(point: Json) -> tuple[str, ...]:
    speedup = point["speedup"] or {"value": None, "lower": None, "upper": None}
    value = speedup["value"]
    return (
        _name(point),
        str(point["total_workers"]),
        units.ratio(value),
        units.interval(speedup["lower"], speedup["upper"], "x"),
        units.ratio(_gain(point)) if point.get("batch_size") else "",
        units.percent(None if value is None else value / point["total_workers"]),
        units.seconds(point["makespan_s"]),
        units.rate(point["throughput_per_s"]),
    )
